import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { ListProductsResponse } from '@shop/contracts/product/product.ts'
import type { Product } from '../../src/domain/product.ts'
import { assertFails, invalid, openGrpc } from '../support/grpc.ts'
import { creationOf } from '../support/store.ts'

const service = await openGrpc()
const { rpc, store } = service
beforeEach(() => store.database.deleteFrom('products').execute())
after(() => service[Symbol.asyncDispose]())

const negativeNumbers = [-1, -2_147_483_648]
const paging = { pageSize: 0, pageToken: '' }

const stocksOf = (products: readonly { stock: number }[]) => products.map(({ stock }) => stock)
const idsOf = (products: readonly { id: number }[]) => products.map(({ id }) => id)

/** Adds `count` products. Their prices in cents and their stocks count up from 1. */
const addNumbered = async (count: number): Promise<Product[]> => {
  const added = []
  for (let index = 1; index <= count; index += 1)
    added.push(await store.products.add(creationOf({ price: BigInt(index), stock: index })))
  return added
}

describe('ListProducts', () => {
  test('returns 100 products by default, in id order, and continues from the page token', async () => {
    const added = await addNumbered(101)
    const first = await rpc.listProducts(paging)
    assert.deepEqual(idsOf(first.products), idsOf(added.slice(0, 100)))
    const rest = await rpc.listProducts({ pageSize: 0, pageToken: first.nextPageToken })
    assert.deepEqual(idsOf(rest.products), idsOf(added.slice(100)))
    assert.equal(rest.nextPageToken, '')
  })

  test('fails with INVALID_ARGUMENT for a page size outside 1 to 1000', async () => {
    for (const pageSize of [1_001, ...negativeNumbers])
      await assertFails(rpc.listProducts({ ...paging, pageSize }), invalid, 'page_size must')
    await rpc.listProducts({ ...paging, pageSize: 1_000 })
  })

  test('fails with INVALID_ARGUMENT for a page token that was altered or comes from another list', async () => {
    await addNumbered(3)
    const { nextPageToken } = await rpc.getLowStockProducts({ ...paging, maxStock: 3, pageSize: 1 })
    assert.notEqual(nextPageToken, '')
    for (const pageToken of ['x', `${nextPageToken}x`, nextPageToken])
      await assertFails(rpc.listProducts({ ...paging, pageToken }), invalid, 'page_token must')
  })

  test('returns no products for an empty catalog', async () => {
    assert.deepEqual(await rpc.listProducts(paging), { products: [], nextPageToken: '' })
  })
})

describe('lists that are asked for at the same time', () => {
  test('are encoded once for each RPC', async (t) => {
    await addNumbered(3)
    const encode = t.mock.method(ListProductsResponse, 'encode')
    for (const list of [
      () => rpc.listProducts(paging),
      () => rpc.getTopMostExpensiveProducts({ limit: 3 }),
      () => rpc.getLowStockProducts({ ...paging, maxStock: 3 }),
      () => rpc.getProductsByCategory({ ...paging, category: 'Home' }),
    ]) {
      encode.mock.resetCalls()
      const pages = await Promise.all([list(), list(), list()])
      assert.deepEqual(
        pages.map(({ products }) => products.length),
        [3, 3, 3],
      )
      assert.equal(encode.mock.callCount(), 1)
    }
  })
})

describe('GetTopMostExpensiveProducts', () => {
  test('returns the most expensive products first, ten by default', async () => {
    await addNumbered(101)
    for (const [limit, count] of [
      [0, 10],
      [1, 1],
      [100, 100],
    ] as const) {
      const { products, nextPageToken } = await rpc.getTopMostExpensiveProducts({ limit })
      assert.deepEqual(
        stocksOf(products),
        Array.from({ length: count }, (_, index) => 101 - index),
      )
      assert.equal(nextPageToken, '')
    }
  })

  test('fails with INVALID_ARGUMENT for a limit outside 1 to 100', async () => {
    for (const limit of [101, ...negativeNumbers])
      await assertFails(rpc.getTopMostExpensiveProducts({ limit }), invalid, 'limit must')
  })
})

describe('GetLowStockProducts', () => {
  test('returns products with at most max_stock pieces, lowest stock first, page by page', async () => {
    await addNumbered(5)
    const first = await rpc.getLowStockProducts({ maxStock: 3, pageSize: 2, pageToken: '' })
    assert.deepEqual(stocksOf(first.products), [1, 2])
    const pageToken = first.nextPageToken
    const second = await rpc.getLowStockProducts({ maxStock: 3, pageSize: 2, pageToken })
    assert.deepEqual(stocksOf(second.products), [3])
    assert.equal(second.nextPageToken, '')
    await assertFails(
      rpc.getLowStockProducts({ maxStock: 4, pageSize: 2, pageToken }),
      invalid,
      'page_token must',
    )
  })

  test('returns products that are sold out for max_stock 0', async () => {
    const soldOut = await store.products.add(creationOf({ stock: 0 }))
    const { products } = await rpc.getLowStockProducts({ ...paging, maxStock: 0 })
    assert.deepEqual(idsOf(products), [soldOut.id])
  })

  test('fails with INVALID_ARGUMENT for a negative max_stock', async () => {
    for (const maxStock of negativeNumbers)
      await assertFails(rpc.getLowStockProducts({ ...paging, maxStock }), invalid, 'max_stock must')
  })
})

describe('GetProductsByCategory', () => {
  test('returns the products of exactly this category, page by page', async () => {
    const category = 'Bücher & CD/DVD'
    const added = []
    for (let index = 0; index < 3; index += 1) added.push(await store.products.add(creationOf({ category })))
    const first = await rpc.getProductsByCategory({ category, pageSize: 2, pageToken: '' })
    const pageToken = first.nextPageToken
    const second = await rpc.getProductsByCategory({ category, pageSize: 2, pageToken })
    assert.deepEqual(idsOf(first.products), idsOf(added.slice(0, 2)))
    assert.deepEqual(idsOf(second.products), idsOf(added.slice(2)))
    assert.equal(second.nextPageToken, '')
    await assertFails(
      rpc.getProductsByCategory({ category: 'Home', pageSize: 2, pageToken }),
      invalid,
      'page_token must',
    )
  })

  test('returns no products for an unknown category, and those without a category for the empty string', async () => {
    const uncategorized = await store.products.add(creationOf({ category: '' }))
    const unknown = await rpc.getProductsByCategory({ ...paging, category: 'home' })
    assert.deepEqual(unknown.products, [])
    const { products } = await rpc.getProductsByCategory({ ...paging, category: '' })
    assert.deepEqual(idsOf(products), [uncategorized.id])
  })

  test('fails with INVALID_ARGUMENT for a category that no product can have', async () => {
    for (const category of ['\0', 'x'.repeat(101)])
      await assertFails(rpc.getProductsByCategory({ ...paging, category }), invalid, 'category must')
  })
})
