import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { type App, openApp, send } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
  app.catalog.products.set(1, aProduct({ id: 1 }))
})
after(() => app[Symbol.asyncDispose]())

test('every operation declares whether caches may store its responses', async () => {
  const basket = app.newUserBasket()
  const get = (path: string) => () => send(app.http, 'GET', path)
  /** A request that succeeds, for every operation of the service, in order, and the expected header. */
  const operations: Record<string, readonly [ReturnType<typeof get>, 'private, no-cache' | 'no-store']> = {
    createBasket: [basket.create, 'private, no-cache'],
    addItem: [() => basket.add(1, 1), 'private, no-cache'],
    setQuantities: [() => basket.setSeveral([[1, 2]]), 'private, no-cache'],
    getBasket: [basket.get, 'private, no-cache'],
    setQuantity: [() => basket.set(1, 2), 'private, no-cache'],
    removeItem: [() => basket.remove(1), 'private, no-cache'],
    clearBasket: [basket.clear, 'private, no-cache'],
    deleteBasket: [basket.delete, 'private, no-cache'],
    health: [get('/health'), 'no-store'],
    ready: [get('/health/ready'), 'no-store'],
    live: [get('/health/live'), 'no-store'],
    metrics: [get('/metrics'), 'no-store'],
  }
  for (const [name, [request, expected]] of Object.entries(operations)) {
    const { statusCode, headers } = await request()
    assert.ok(statusCode < 300, `${name}: ${statusCode}`)
    assert.equal(headers['cache-control'], expected, name)
  }
  const { paths } = (await get('/openapi.json')()).json()
  const documented = Object.values<Record<string, { operationId: string }>>(paths)
    .flatMap((path) => Object.values(path))
    .map(({ operationId }) => operationId)
  assert.deepEqual(documented.toSorted(), Object.keys(operations).toSorted())
})

test('a 304 has the header of its 200, and a missing basket that of an error', async () => {
  const basket = app.newUserBasket()
  const missing = await basket.get()
  assert.deepEqual([missing.statusCode, missing.headers['cache-control']], [404, 'no-store'])
  const tag = String((await basket.add(1, 1)).headers['etag'])
  const unchanged = await basket.get({ 'if-none-match': tag })
  assert.deepEqual([unchanged.statusCode, unchanged.headers['cache-control']], [304, 'private, no-cache'])
})
