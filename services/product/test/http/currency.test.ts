import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectTo } from '../support/grpc.ts'
import { send } from '../support/http.ts'
import { creationOf, openApp } from '../support/store.ts'

describe('the currency of prices', () => {
  test('is in each product and in each product of a list, over HTTP and gRPC', async () => {
    await using app = await openApp({ currency: 'CHF' })
    const { id } = await app.store.products.add(creationOf())
    for (const url of ['/products', '/products/top-5', '/products/low-stock-10', '/products/category/Home']) {
      const { products } = (await send(app.http, { url })).json()
      assert.deepEqual(
        products.map((product: { currency: string }) => product.currency),
        ['CHF'],
        url,
      )
    }
    assert.equal((await send(app.http, { url: `/products/${id}` })).json().currency, 'CHF')
    const { client, rpc } = connectTo(await app.grpc.listen(0))
    const paging = { pageSize: 0, pageToken: '' }
    const lists = [
      (await rpc.batchGetProducts({ ids: [id], readMask: undefined })).products,
      (await rpc.batchGetProducts({ ids: [id], readMask: ['currency'] })).products,
      (await rpc.listProducts(paging)).products,
      (await rpc.getTopMostExpensiveProducts({ limit: 0 })).products,
      (await rpc.getLowStockProducts({ ...paging, maxStock: 10 })).products,
      (await rpc.getProductsByCategory({ ...paging, category: 'Home' })).products,
      [(await rpc.getProduct({ id })).product],
    ]
    for (const products of lists)
      assert.deepEqual(
        products.map((product) => product?.currency),
        ['CHF'],
      )
    client.close()
  })

  test('in the body of a write is ignored, like other members that a client cannot set', async () => {
    await using app = await openApp({ currency: 'CHF' })
    const payload = { name: 'Lamp', price: 34.5 }
    const created = await send(app.http, {
      method: 'POST',
      url: '/products',
      payload: { ...payload, currency: 'USD' },
    })
    assert.deepEqual([created.statusCode, created.json().currency], [201, 'CHF'])
    const url = `/products/${created.json().id}`
    for (const currency of ['USD', 'CHF', '', null, 5, {}])
      for (const method of ['PUT', 'PATCH'] as const) {
        const changed = await send(app.http, { method, url, payload: { ...payload, currency } })
        assert.deepEqual([changed.statusCode, changed.json().currency], [200, 'CHF'])
      }
  })
})
