import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { BasketInput, BasketOutput, Item, Refusal } from '../model/basket-operation.ts'

/** Longer than the service takes when all its deadlines pass. A stopped process may still do the write later. */
const timeoutMs = 1_500

type Wire = Readonly<{ method: string; path: string; body?: unknown }>

const onWire = ({ productId, quantity }: Item) => ({ product_id: productId, quantity })

const wireOf = (userId: string, input: BasketInput): Wire => {
  const items = `/baskets/${userId}/items`
  switch (input.kind) {
    case 'get':
      return { method: 'GET', path: `/baskets/${userId}` }
    case 'create':
      return { method: 'POST', path: '/baskets', body: { user_id: userId } }
    case 'add':
      return { method: 'POST', path: items, body: onWire(input) }
    case 'addMany':
      return { method: 'POST', path: items, body: { items: input.items.map(onWire) } }
    case 'setMany':
      return { method: 'PATCH', path: items, body: { items: input.items.map(onWire) } }
    case 'set':
      return { method: 'PUT', path: `${items}/${input.productId}`, body: { quantity: input.quantity } }
    case 'remove':
      return { method: 'DELETE', path: `${items}/${input.productId}` }
    case 'clear':
      return { method: 'DELETE', path: items }
    case 'delete':
      return { method: 'DELETE', path: `/baskets/${userId}` }
    default:
      return input satisfies never
  }
}

const headersOf = ({ ifMatch, ifNoneMatch, key }: BasketInput, body: unknown): Record<string, string> => ({
  ...(body !== undefined && { 'content-type': 'application/json' }),
  ...(ifMatch !== undefined && { 'if-match': ifMatch }),
  ...(ifNoneMatch !== undefined && { 'if-none-match': ifNoneMatch }),
  ...(key !== undefined && { 'idempotency-key': key }),
})

type Facts = Readonly<{ path?: string; code?: string; available?: number; requested?: number }>
type Body = Facts &
  Readonly<{ items?: readonly { product_id: number; quantity: number }[]; errors?: readonly Facts[] }>

const refusalOf = ({ path, code = '', available, requested }: Facts): Refusal => ({
  index: Number(/^\/items\/(\d+)/.exec(path ?? '')?.[1] ?? 0),
  code,
  ...(available !== undefined && { available }),
  ...(requested !== undefined && { requested }),
})

const refusalsOf = (status: number, body: Body): readonly Refusal[] | undefined => {
  if (status !== 409 && body.code !== 'product_not_found') return undefined
  return (body.errors ?? [body]).map(refusalOf)
}

const outputOf = ({ statusCode: status = 0, headers }: IncomingMessage, body: Body): BasketOutput => {
  const refusals = refusalsOf(status, body)
  return {
    status,
    replayed: headers['idempotent-replayed'] === 'true',
    ...(status >= 400 && body.code !== undefined && { code: body.code }),
    ...(headers.etag !== undefined && { etag: headers.etag }),
    ...(status < 300 &&
      body.items && {
        lines: body.items.map(({ product_id, quantity }) => ({ productId: product_id, quantity })),
      }),
    ...(refusals && { refusals }),
  }
}

/** What a client knows after a request: an answer, that it had no effect, or nothing. */
export type Outcome = BasketOutput | 'without effect' | 'unknown'

/** An add or PUT is refused so before it reaches the store. */
const isWithoutEffect = ({ detail }: { detail?: string }): boolean =>
  detail === 'the product service is unavailable'

const outcomeOf = async (response: IncomingMessage): Promise<Outcome> => {
  const json = await text(response)
  const body = json === '' ? {} : JSON.parse(json)
  if ((response.statusCode ?? 0) < 500) return outputOf(response, body)
  return isWithoutEffect(body) ? 'without effect' : 'unknown'
}

/** Creates a client with one connection, which never repeats a request by itself. */
export const openDoor = (url: string) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = async (userId: string, input: BasketInput): Promise<Outcome> => {
    const { method, path, body } = wireOf(userId, input)
    const headers = headersOf(input, body)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const signal = AbortSignal.timeout(timeoutMs)
    request(url + path, { agent, method, headers, signal }, resolve)
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body))
    try {
      return await outcomeOf(await promise)
    } catch {
      return 'unknown'
    }
  }
  return { send, [Symbol.dispose]: () => agent.destroy() }
}

export type Door = ReturnType<typeof openDoor>
