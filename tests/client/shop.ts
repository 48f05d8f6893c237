/**
 * A client of both services, whose types the tests generate from the OpenAPI documents, beside a copy of this file. Uses every operation, and prints those that it used. Arguments: the URLs of both services.
 */

import assert from 'node:assert/strict'
import createClient, { type Middleware } from 'openapi-fetch'
import type { paths as BasketPaths, components as BasketTypes } from './basket.ts'
import type { paths as ProductPaths, components as ProductTypes } from './product.ts'

const [, , productUrl = '', basketUrl = ''] = process.argv

const product = createClient<ProductPaths>({ baseUrl: productUrl })
const basket = createClient<BasketPaths>({ baseUrl: basketUrl })

const used = new Set<string>()
const recordingOf = (service: string): Middleware => ({
  onRequest: ({ request, schemaPath }) => {
    used.add(`${service} ${request.method.toLowerCase()} ${schemaPath}`)
  },
})
product.use(recordingOf('product'))
basket.use(recordingOf('basket'))

/** Returns the body of a response that must have the status. */
const bodyOf = <Body>({ data, response }: { data?: Body; response: Response }, status = 200): Body => {
  assert.equal(response.status, status)
  assert.ok(data !== undefined)
  return data
}

const tagOf = ({ response }: { response: Response }): string => {
  // The name is one that the document lists for this response.
  const name: keyof ProductPaths['/products/{id}']['get']['responses'][200]['headers'] = 'ETag'
  return response.headers.get(name) ?? assert.fail('no ETag')
}

const operate = async () => {
  for (const report of [await product.GET('/health'), await product.GET('/health/ready')]) {
    const health: ProductTypes['schemas']['Health'] = bodyOf(report)
    assert.equal(health.service, 'product-service')
    const states: ('up' | 'down')[] = Object.values(health.checks).map(({ status }) => status)
    assert.ok(states.includes('up'))
  }
  for (const report of [await basket.GET('/health'), await basket.GET('/health/ready')])
    assert.equal(bodyOf(report).service, 'basket-service')
  const alive: 'alive' = bodyOf(await product.GET('/health/live')).status
  assert.equal(bodyOf(await basket.GET('/health/live')).status, alive)
  for (const metrics of [
    await product.GET('/metrics', { parseAs: 'text' }),
    await basket.GET('/metrics', { parseAs: 'text' }),
  ]) {
    const text: string = bodyOf(metrics)
    assert.match(text, /^# TYPE /m)
  }
}

const browse = async () => {
  const list: ProductTypes['schemas']['ProductList'] = bodyOf(await product.GET('/products'))
  assert.equal(list.count, list.products.length)
  const page = bodyOf(await product.GET('/products', { params: { query: { limit: 2, sort: '-price' } } }))
  const cursor: string | null = page.next_cursor
  assert.ok(cursor !== null)
  const query = { limit: 2, sort: '-price', cursor } as const
  assert.equal(bodyOf(await product.GET('/products', { params: { query } })).count, 2)
  const top = bodyOf(await product.GET('/products/top-{n}', { params: { path: { n: 3 } } }))
  const low = bodyOf(await product.GET('/products/low-stock-{n}', { params: { path: { n: 1 } } }))
  const path = { category: 'Books' }
  const books = bodyOf(
    await product.GET('/products/category/{category}', { params: { path, query: { limit: 1 } } }),
  )
  assert.deepEqual([top.count, low.count > 0, books.products[0]?.category], [3, true, 'Books'])

  const { error, response } = await product.GET('/products', { params: { query: { limit: 0 } } })
  const problem: ProductTypes['schemas']['Problem'] = error ?? assert.fail('no error')
  const violations: readonly ProductTypes['schemas']['Violation'][] = problem.errors ?? []
  assert.deepEqual([response.status, problem.code, violations[0]?.path], [400, 'invalid', '/limit'])
}

const manage = async (): Promise<number> => {
  const pen: ProductTypes['schemas']['CreateProduct'] = { name: 'Pen', price: 0.1 }
  const created = await product.POST('/products', { body: pen })
  const { id, stock } = bodyOf(created, 201)
  assert.deepEqual([stock, created.response.headers.get('location')], [0, `/products/${id}`])

  const read = await product.GET('/products/{id}', { params: { path: { id } } })
  const unchanged = await product.GET('/products/{id}', {
    params: { path: { id }, header: { 'If-None-Match': tagOf(read), 'X-Request-ID': 'client-1' } },
  })
  assert.deepEqual([unchanged.response.status, tagOf(unchanged)], [304, tagOf(read)])
  assert.equal(unchanged.response.headers.get('x-request-id'), 'client-1')

  const replaced = await product.PUT('/products/{id}', {
    params: { path: { id }, header: { 'If-Match': tagOf(read), 'If-None-Match': '"0"' } },
    body: { name: 'Pen', price: 0.2, stock: 5, category: 'Office' },
  })
  assert.equal(bodyOf(replaced).price, 0.2)
  const stale = await product.PATCH('/products/{id}', {
    params: { path: { id }, header: { 'If-Match': tagOf(read) } },
    body: { category: null },
  })
  assert.deepEqual([stale.response.status, stale.error?.code], [412, 'stale_version'])
  const patched = await product.PATCH('/products/{id}', { params: { path: { id } }, body: { stock: 3 } })
  assert.deepEqual([bodyOf(patched).stock, bodyOf(patched).category], [3, 'Office'])
  return id
}

type AddItem = BasketPaths['/baskets/{user_id}/items']['post']

const shop = async (id: number) => {
  const path = { user_id: 'generated-client' }
  const created = await basket.POST('/baskets', { body: path })
  const empty: BasketTypes['schemas']['Basket'] = bodyOf(created, 201)
  assert.deepEqual(empty.items, [])
  const body: BasketTypes['schemas']['AddItem'] = { product_id: id, quantity: 2 }
  const header = { 'If-Match': tagOf(created) }
  const added = await basket.POST('/baskets/{user_id}/items', { params: { path, header }, body })
  const [item]: readonly BasketTypes['schemas']['BasketItem'][] = bodyOf(added).items
  assert.deepEqual([item?.name, item?.quantity, bodyOf(added).total], ['Pen', 2, 0.4])

  const tooMany = await basket.POST('/baskets/{user_id}/items', { params: { path }, body })
  assert.equal(tooMany.response.status, 409)
  const conflict: AddItem['responses'][409]['content']['application/problem+json'] =
    tooMany.error ?? assert.fail('no error')
  const facts: (number | undefined)[] = [conflict.available, conflict.requested]
  assert.deepEqual([conflict.code, ...facts], ['insufficient_stock', 3, 4])

  const several: BasketTypes['schemas']['AddItem'] = { items: [{ product_id: id, quantity: 1 }] }
  const third = await basket.POST('/baskets/{user_id}/items', { params: { path }, body: several })
  assert.equal(bodyOf(third).item_count, 3)
  const quantities: BasketTypes['schemas']['SetItems'] = { items: [{ product_id: id, quantity: 4 }] }
  const refused = await basket.PATCH('/baskets/{user_id}/items', { params: { path }, body: quantities })
  const refusals: readonly BasketTypes['schemas']['Violation'][] = refused.error?.errors ?? []
  assert.deepEqual(
    refusals.map((refusal) => [refusal.path, refusal.code, refusal.available, refusal.requested]),
    [['/items/0', 'insufficient_stock', 3, 4]],
  )
  const fewer = { items: [{ product_id: id, quantity: 1 }] }
  const changed = await basket.PATCH('/baskets/{user_id}/items', { params: { path }, body: fewer })
  assert.equal(bodyOf(changed).item_count, 1)

  const line = { ...path, product_id: id }
  const set = await basket.PUT('/baskets/{user_id}/items/{product_id}', {
    params: { path: line },
    body: { quantity: 3 },
  })
  assert.equal(bodyOf(set).item_count, 3)
  const read = await basket.GET('/baskets/{user_id}', {
    params: { path, header: { 'If-None-Match': tagOf(set) } },
  })
  assert.equal(read.response.status, 304)
  bodyOf(await basket.DELETE('/baskets/{user_id}/items/{product_id}', { params: { path: line } }))
  bodyOf(await basket.DELETE('/baskets/{user_id}/items', { params: { path } }))
  const deleted = await basket.DELETE('/baskets/{user_id}', { params: { path } })
  assert.deepEqual([deleted.response.status, deleted.data], [204, undefined])
  const missing = await basket.GET('/baskets/{user_id}', { params: { path } })
  assert.deepEqual([missing.response.status, missing.error?.code], [404, 'not_found'])
}

const visit = async () => {
  const created = await basket.POST('/baskets', { body: { guest: true } })
  const guest: string = bodyOf(created, 201).user_id
  assert.match(guest, /^guest:[\w-]{22}$/)
  const path = { user_id: guest }
  assert.equal(bodyOf(await basket.GET('/baskets/{user_id}', { params: { path } })).item_count, 0)
  const { response } = await basket.DELETE('/baskets/{user_id}', { params: { path } })
  assert.equal(response.status, 204)
  const body: BasketTypes['schemas']['CreateBasket'] = { user_id: guest }
  assert.equal((await basket.POST('/baskets', { body })).error?.code, 'not_found')
}

await operate()
await browse()
const id = await manage()
await shop(id)
await visit()
const deleted = await product.DELETE('/products/{id}', { params: { path: { id } } })
assert.equal(deleted.response.status, 204)
process.stdout.write(JSON.stringify([...used].toSorted()))
