import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { sendRaw } from './doors.ts'
import { calls, openGrpc } from './grpc.ts'
import type { Shop } from './shop.ts'

/** Whose tokens are sent. No other text has it. */
export const subject = 'subject-of-ann-4711'

/** Sends bytes that may not be HTTP. Resolves with the response. */
const sendBytes = async (url: string, bytes: string): Promise<string> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  socket.end(bytes, 'latin1')
  return text(socket).catch(() => '')
}

/** The values of `Authorization` that clients make of credentials. */
const valuesOf = (credentials: string): readonly string[] => [
  `Bearer ${credentials}`,
  `Bearer ${credentials}\u00e9`,
  `Bearer\t${credentials}`,
  `Basic ${credentials}`,
  credentials,
  `Bearer "${credentials}"`,
  `Bearer ${credentials}, Bearer ${credentials}`,
]

type Sent = Readonly<{ method?: string; path: string; body?: unknown }>

const requestsOf = (credentials: string): Readonly<Record<'products' | 'baskets', readonly Sent[]>> => ({
  products: [
    { path: '/products/1' },
    { method: 'POST', path: '/products', body: { name: 'Emma', price: 1, stock: 5 } },
    { path: `/products?access_token=${credentials}` },
    { path: `/unknown?access_token=${credentials}` },
    { method: 'TRACE', path: '/products' },
  ],
  baskets: [
    { path: `/baskets/${subject}` },
    { method: 'POST', path: '/baskets', body: { user_id: subject } },
    { method: 'POST', path: `/baskets/${subject}/items`, body: { product_id: 1, quantity: 1 } },
    { method: 'PUT', path: `/baskets/${subject}/items/x`, body: { quantity: 'x' } },
    { path: `/baskets/${subject}/unknown?access_token=${credentials}` },
    { path: `/.well-known/oauth-protected-resource?access_token=${credentials}` },
  ],
})

const brokenRequestsOf = (credentials: string): readonly string[] => {
  const head = `POST /products HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${credentials}`
  return [
    `${head}\r\nbad header\r\n\r\n`,
    `${head}\u0001\r\n\r\n`,
    `${head}\r\nauthorization: Bearer ${credentials}\r\n\r\n`,
    `${head}\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
    `${head}\r\ncontent-length: 100\r\n\r\n{"a":`,
    `Bearer ${credentials}\r\n\r\n`,
  ]
}

/** Sends everything that may go wrong with the credentials over HTTP and gRPC. Returns what comes back. */
export const disturb = async (shop: Shop, all: readonly string[]): Promise<string> => {
  const received: string[] = []
  using grpc = openGrpc(shop)
  for (const credentials of all) {
    for (const value of valuesOf(credentials)) {
      const headers = {
        authorization: value,
        cookie: `token=${credentials}`,
        referer: `http://x/?token=${credentials}`,
      }
      for (const call of Object.values(calls))
        received.push(
          await grpc.send(call, { ...headers, 'authorization-bin': value, 'x-token': `${value}\t-` }),
        )
      for (const service of ['products', 'baskets'] as const)
        for (const sent of requestsOf(credentials)[service]) {
          const response = await sendRaw(shop[service].url, { ...sent, headers })
          if (response.status >= 400) received.push(JSON.stringify(response.headers), response.body)
        }
    }
    for (const bytes of brokenRequestsOf(credentials))
      for (const { url } of [shop.products, shop.baskets]) received.push(await sendBytes(url, bytes))
  }
  return received.join('\n')
}
