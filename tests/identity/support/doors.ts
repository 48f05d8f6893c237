import { once } from 'node:events'
import { type Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { calls, openGrpc } from './grpc.ts'
import type { Shop } from './shop.ts'

/** What became of a request, in the same words for each transport: `ok`, or the kind of the error with its text. */
type Outcome = string

/** Sends a request with credentials: a value of the `authorization` header or metadata. */
export type Door = Readonly<{ name: string; send: (authorization: string | undefined) => Promise<Outcome> }>

type Sent = Readonly<{ method?: string; path: string; headers?: object; body?: unknown; agent?: Agent }>

/** Sends a request exactly as it is: `fetch` would normalize the path and the headers. */
export const sendRaw = async (url: string, { method = 'GET', path, headers, body, agent }: Sent) => {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const content = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
  const length = content === undefined ? {} : { 'content-length': Buffer.byteLength(content) }
  const sent = request(url, {
    method,
    path,
    headers: { ...type, ...length, ...headers },
    timeout: 20_000,
    ...(agent && { agent }),
  })
  sent.end(content)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

const httpOutcome = ({ status: code, body }: { status: number; body: string }): Outcome => {
  if (code < 400) return 'ok'
  const problem = JSON.parse(body)
  return problem.code === 'not_found' ? 'ok' : `${problem.code}: ${problem.detail}`
}

/** The three doors of the shop, over connections of their own or those of the agent. Each is asked for something that a user with the subject `user123` may see. */
export const doorsOf = (shop: Shop, agent?: Agent): readonly Door[] & Disposable => {
  const grpc = openGrpc(shop)
  const over = (url: string, path: string) => async (authorization: string | undefined) => {
    const headers = authorization === undefined ? {} : { authorization }
    return httpOutcome(await sendRaw(url, { path, headers, ...(agent && { agent }) }))
  }
  const doors: readonly Door[] = [
    { name: 'products over HTTP', send: over(shop.products.url, '/products/1') },
    { name: 'products over gRPC', send: (authorization) => grpc.send(calls.get, { authorization }) },
    { name: 'baskets over HTTP', send: over(shop.baskets.url, '/baskets/user123') },
  ]
  return Object.assign([...doors], { [Symbol.dispose]: () => grpc[Symbol.dispose]() })
}
