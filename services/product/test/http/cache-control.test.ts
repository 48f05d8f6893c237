import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Request, send } from '../support/http.ts'
import { creationOf, openApp } from '../support/store.ts'

const app = await openApp()
after(() => app[Symbol.asyncDispose]())
const { id } = await app.store.products.add(creationOf())
const url = `/products/${id}`
const payload = { name: 'x', price: 1 }

/** A request that succeeds, for every operation of the service, in order, and the expected header. */
const operations: Readonly<Record<string, readonly [Request, 'no-cache' | 'no-store']>> = {
  listProducts: [{ url: '/products' }, 'no-cache'],
  topProducts: [{ url: '/products/top-5' }, 'no-cache'],
  lowStockProducts: [{ url: '/products/low-stock-10' }, 'no-cache'],
  productsByCategory: [{ url: '/products/category/Home' }, 'no-cache'],
  getProduct: [{ url }, 'no-cache'],
  createProduct: [{ method: 'POST', url: '/products', payload }, 'no-cache'],
  replaceProduct: [{ method: 'PUT', url, payload }, 'no-cache'],
  patchProduct: [{ method: 'PATCH', url, payload }, 'no-cache'],
  deleteProduct: [{ method: 'DELETE', url }, 'no-cache'],
  health: [{ url: '/health' }, 'no-store'],
  ready: [{ url: '/health/ready' }, 'no-store'],
  live: [{ url: '/health/live' }, 'no-store'],
  metrics: [{ url: '/metrics' }, 'no-store'],
}

test('every operation declares whether caches may store its responses', async () => {
  for (const [name, [request, expected]] of Object.entries(operations)) {
    const { statusCode, headers } = await send(app.http, request)
    assert.ok(statusCode < 300, `${name}: ${statusCode}`)
    assert.equal(headers['cache-control'], expected, name)
  }
  const { paths } = (await send(app.http, { url: '/openapi.json' })).json()
  const documented = Object.values<Record<string, { operationId: string }>>(paths)
    .flatMap((path) => Object.values(path))
    .map(({ operationId }) => operationId)
  assert.deepEqual(documented.toSorted(), Object.keys(operations).toSorted())
})

test('a 304 has the header of its 200, and a refused write that of an error', async () => {
  const product = await app.store.products.add(creationOf())
  const path = `/products/${product.id}`
  const unchanged = await send(app.http, { url: path, headers: { 'if-none-match': '"1"' } })
  assert.deepEqual([unchanged.statusCode, unchanged.headers['cache-control']], [304, 'no-cache'])
  const headers = { 'if-match': '"2"' }
  const stale = await send(app.http, { method: 'PUT', url: path, headers, payload })
  assert.deepEqual([stale.statusCode, stale.headers['cache-control']], [412, 'no-store'])
})
