import assert from 'node:assert/strict'
import { STATUS_CODES } from 'node:http'
import { AppError } from '@shop/kernel/errors.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import type { Static } from 'typebox'
import { createApp } from '../../src/app.ts'
import { productNotFound } from '../../src/domain/errors.ts'
import type { CatalogProduct } from '../../src/domain/product-catalog.ts'
import type { BasketJson } from '../../src/interfaces/http/basket-json.ts'
import { longTtl } from './baskets.ts'
import { openPorts } from './ports.ts'

type Http = Awaited<ReturnType<typeof createApp>>['http']
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
type Headers = Readonly<Record<string, string>>

/**
 * Sends a request to the HTTP server without a socket. A string body is sent as it is, any other body as JSON.
 */
export const send = (http: Http, method: Method, url: string, body?: unknown, headers: Headers = {}) =>
  http.inject({
    method,
    url,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })

export type HttpResponse = Awaited<ReturnType<typeof send>>

/** Product ids and quantities. */
export type Items = readonly (readonly [productId: number, quantity: number])[]

export const itemsOf = (items: Items) => ({
  items: items.map(([product_id, quantity]) => ({ product_id, quantity })),
})

/** A client of one user's basket. */
export const basketOf = (http: Http, userId: string) => {
  const url = `/baskets/${userId}`
  const item = (productId: number) => `${url}/items/${productId}`
  return {
    url,
    userId,
    create: (headers?: Headers) => send(http, 'POST', '/baskets', { user_id: userId }, headers),
    get: (headers?: Headers) => send(http, 'GET', url, undefined, headers),
    add: (productId: number, quantity: number, headers?: Headers) =>
      send(http, 'POST', `${url}/items`, { product_id: productId, quantity }, headers),
    addSeveral: (items: Items, headers?: Headers) =>
      send(http, 'POST', `${url}/items`, itemsOf(items), headers),
    setSeveral: (items: Items, headers?: Headers) =>
      send(http, 'PATCH', `${url}/items`, itemsOf(items), headers),
    set: (productId: number, quantity: number, headers?: Headers) =>
      send(http, 'PUT', item(productId), { quantity }, headers),
    remove: (productId: number, headers?: Headers) =>
      send(http, 'DELETE', item(productId), undefined, headers),
    clear: (headers?: Headers) => send(http, 'DELETE', `${url}/items`, undefined, headers),
    delete: (headers?: Headers) => send(http, 'DELETE', url, undefined, headers),
  }
}

/** Opens the whole service on a new SQLite file. Its catalog has the products that the test puts into it. */
export const openApp = async () => {
  const stack = new AsyncDisposableStack()
  const catalog = { products: new Map<number, CatalogProduct>(), down: false, lookUps: 0 }
  const find = async (productId: number) => {
    catalog.lookUps += 1
    if (catalog.down) throw new AppError('unavailable', 'the product service is unavailable')
    const product = catalog.products.get(productId)
    if (!product) throw productNotFound(productId)
    return product
  }
  const { ports } = stack.use(await openPorts(find))
  const { http, health } = stack.use(await createApp({ ports, dependencies: [] }, silentLogger))
  let users = 0
  return {
    http,
    health,
    ports,
    catalog,
    /** Returns a client for a new user, who has no basket yet. */
    newUserBasket: () => basketOf(http, `user-${++users}`),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type App = Awaited<ReturnType<typeof openApp>>

const cents = (amount: number): number => {
  assert.equal(Math.round(amount * 100) / 100, amount, `${amount} is not a whole number of cents`)
  return Math.round(amount * 100)
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Returns the basket of a response after checking its members, sums, timestamps and ETag. */
export const basketIn = (response: HttpResponse, status = 200): Static<typeof BasketJson> => {
  assert.equal(response.statusCode, status, response.body)
  assert.match(String(response.headers['content-type']), /^application\/json/)
  assert.match(String(response.headers['etag']), /^"[^"]+"$/)
  const basket: Static<typeof BasketJson> = response.json()
  const { id, user_id, items, total, currency, item_count, version, ...times } = basket
  const { created_at, updated_at, expires_at } = times
  const sums = { total, currency, item_count }
  assert.deepEqual(basket, { id, user_id, items, ...sums, version, created_at, updated_at, expires_at })
  assert.equal(currency, 'EUR')
  for (const { product_id, name, price, quantity, subtotal, category, ...rest } of items) {
    assert.deepEqual(rest, {})
    assert.deepEqual([typeof product_id, typeof name, typeof category], ['number', 'string', 'string'])
    assert.equal(cents(subtotal), cents(price) * quantity)
  }
  assert.equal(cents(total), sum(items.map(({ subtotal }) => cents(subtotal))))
  assert.equal(item_count, sum(items.map(({ quantity }) => quantity)))
  for (const time of [created_at, updated_at, expires_at]) assert.match(time, timestamp)
  assert.equal(Date.parse(expires_at) - Date.parse(updated_at), longTtl * 1_000)
  return basket
}

/** Returns the product ids and quantities of the basket of a response. */
export const linesIn = (response: HttpResponse) =>
  basketIn(response).items.map(({ product_id, quantity }) => [product_id, quantity])

type Problem = Readonly<{
  status: number
  code: string
  /** The fields with violations, in order. */
  paths?: readonly string[]
  available?: number
  requested?: number
  /** Those of several lines, in order. */
  refusals?: readonly Readonly<{ path: string; code: string; available?: number; requested?: number }>[]
}>

/** The URL as it was sent: the server replaces a malformed one for its router. */
const sentUrl = ({ raw: { req } }: HttpResponse): string =>
  'originalUrl' in req && typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')

const internals = /\bat .+:\d+|node_modules|ECONN|ajv|fastify|sqlite|grpc|redis/i

/** Asserts that the response is a problem (RFC 9457) with exactly these members and no internal details. */
export const assertProblem = (
  response: HttpResponse,
  { status, code, paths, refusals = [], ...details }: Problem,
): void => {
  assert.equal(response.statusCode, status, response.body)
  assert.match(String(response.headers['content-type']), /^application\/problem\+json(; charset=utf-8)?$/)
  assert.equal(response.headers['retry-after'] !== undefined, status === 503 || status === 429)
  const { detail, errors = [], ...problem } = response.json()
  assert.deepEqual(problem, {
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    instance: sentUrl(response).split('?')[0],
    request_id: response.headers['x-request-id'],
    ...details,
  })
  assert.ok(typeof detail === 'string' && detail !== '')
  assert.doesNotMatch(detail, internals)
  for (const { path, message, ...rest } of errors) {
    assert.ok(message !== '' && detail.includes(path.slice(1)) && detail.includes(message), response.body)
    const { path: _, ...refusal } = refusals.find((expected) => expected.path === path) ?? { path }
    assert.deepEqual(rest, refusal)
  }
  const violated = new Set(errors.map(({ path }: { path: string }) => path))
  assert.deepEqual([...violated], paths ?? refusals.map(({ path }) => path))
}

export const notFound = { status: 404, code: 'not_found' }
