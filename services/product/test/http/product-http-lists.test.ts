import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type Product, reviseProduct } from '../../src/domain/product.ts'
import { assertRefused, send } from '../support/http.ts'
import { anyProducts, insertProducts, sortProducts } from '../support/listing.ts'
import { sortEntries } from '../support/sorts.ts'
import { openApp } from '../support/store.ts'

type List = Readonly<{
  products: readonly { id: number; name: string }[]
  count: number
  next_cursor: string | null
}>

const app = await openApp()
after(() => app[Symbol.asyncDispose]())

const store = (products: readonly Product[]) => insertProducts(app.store.database, products)

const list = async (url: string): Promise<List> => {
  const response = await send(app.http, { url })
  assert.equal(response.statusCode, 200, response.body)
  const body: List = response.json()
  assert.deepEqual(Object.keys(body), ['products', 'count', 'next_cursor'])
  assert.equal(body.count, body.products.length)
  return body
}

const idsOf = (products: readonly { id: number }[]) => products.map(({ id }) => id)

const idsAt = async (url: string) => idsOf((await list(url)).products)

/** Returns the ids of the whole list, read page by page. */
const allIdsAt = async (url: string, limit: number): Promise<number[]> => {
  const ids: number[] = []
  let cursor: string | null = null
  do {
    const page: List = await list(
      `${url}${url.includes('?') ? '&' : '?'}limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`,
    )
    assert.ok(page.count <= limit)
    ids.push(...idsOf(page.products))
    assert.ok(ids.length <= 1_000, 'the list has more than 1,000 products')
    cursor = page.next_cursor
  } while (cursor !== null)
  return ids
}

const invalid = (...paths: string[]) => ({ status: 400, code: 'invalid', paths })

/** Returns `count` products with ids from 1. The price in cents and the stock equal the id. */
const numberedProducts = (count: number): Product[] =>
  Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    name: 'x',
    description: '',
    price: BigInt(index + 1),
    stock: index + 1,
    category: 'Books',
    version: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }))

describe('GET /products', () => {
  test('returns 100 products by default, in id order', async () => {
    const products = numberedProducts(101)
    await store(products)
    const first = await list('/products')
    assert.deepEqual(idsOf(first.products), idsOf(products.slice(0, 100)))
    const second = await list(`/products?cursor=${first.next_cursor}`)
    assert.deepEqual(idsOf(second.products), [101])
    assert.equal(second.next_cursor, null)
  })

  test('returns up to 1000 products', async () => {
    await store(numberedProducts(1_001))
    const { count, next_cursor } = await list('/products?limit=1000')
    assert.equal(count, 1_000)
    assert.notEqual(next_cursor, null)
  })

  test('returns an empty array, not null, for an empty catalog', async () => {
    await store([])
    for (const url of ['/products', '/products/top-5', '/products/low-stock-10', '/products/category/Books'])
      assert.deepEqual(await list(url), { products: [], count: 0, next_cursor: null })
  })

  test('pages through every product in every sort', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyProducts,
        fc.constantFrom(...sortEntries),
        fc.integer({ min: 1, max: 9 }),
        async (products, [word, sort], limit) => {
          await store(products)
          assert.deepEqual(
            await allIdsAt(`/products?sort=${word}`, limit),
            idsOf(sortProducts(sort, products)),
          )
        },
      ),
      { numRuns: 40 },
    )
  })

  test('refuses a limit that is not a whole number from 1 to 1000', async () => {
    for (const limit of [
      '0',
      '1001',
      '-1',
      'abc',
      '1.5',
      '1e2',
      '',
      '0x10',
      '99999999999999999999',
      '1&limit=2',
    ])
      await assertRefused(app.http, { url: `/products?limit=${limit}` }, invalid('/limit'))
  })

  test('refuses an unknown sort', async () => {
    for (const sort of ['', 'cost', 'ID', '--id', 'createdAt', 'id,name', 'id&sort=name'])
      await assertRefused(app.http, { url: `/products?sort=${sort}` }, invalid('/sort'))
  })

  test('names every invalid parameter', () =>
    assertRefused(app.http, { url: '/products?sort=cost&limit=0' }, invalid('/limit', '/sort')))

  test('refuses a cursor that was altered or comes from another list', async () => {
    await store(numberedProducts(5))
    const { next_cursor: cursor } = await list('/products?limit=2&sort=price')
    assert.ok(cursor)
    await list(`/products?limit=3&sort=price&cursor=${cursor}`)
    const urls = ['', 'x'.repeat(3_000), `A${cursor}`, `${cursor}A`, `${cursor}&cursor=${cursor}`].map(
      (changed) => `/products?sort=price&cursor=${changed}`,
    )
    urls.push(
      `/products?cursor=${cursor}`,
      `/products?sort=-price&cursor=${cursor}`,
      `/products/low-stock-10?cursor=${cursor}`,
      `/products/category/Books?cursor=${cursor}`,
    )
    for (const url of urls) await assertRefused(app.http, { url }, invalid('/cursor'))
  })

  test('gives concurrent requests their own responses, even if they share a query', async () => {
    await store(numberedProducts(30))
    const urls = [
      '/products?sort=-price&limit=10',
      '/products/top-10',
      '/products/top-10',
      '/products?limit=10',
      '/products?limit=10',
      '/products/category/Books?limit=10',
    ]
    const sequential: List[] = []
    for (const url of urls) sequential.push(await list(url))
    assert.deepEqual(await Promise.all(urls.map(list)), sequential)
    assert.notEqual(sequential[0]?.next_cursor, null)
    assert.equal(sequential[1]?.next_cursor, null)
  })

  test('answers HEAD without a body', async () => {
    const response = await send(app.http, { method: 'HEAD', url: '/products' })
    assert.equal(response.statusCode, 200)
    assert.equal(response.body, '')
  })
})

describe('GET /products/top-{n}', () => {
  test('returns the n most expensive products, most expensive first, without a cursor', async () => {
    await store(numberedProducts(120))
    for (const n of [1, 5, 10, 100])
      assert.deepEqual(
        await idsAt(`/products/top-${n}`),
        Array.from({ length: n }, (_, index) => 120 - index),
      )
    assert.equal((await list('/products/top-5')).next_cursor, null)
  })

  test('returns all products if there are fewer than n', async () => {
    await store(numberedProducts(3))
    assert.deepEqual(await idsAt('/products/top-10'), [3, 2, 1])
  })

  test('refuses n that is not a whole number from 1 to 100', async () => {
    for (const n of ['0', '101', '-1', 'abc', '1.5', '1e1', '', '99999999999'])
      await assertRefused(app.http, { url: `/products/top-${n}` }, invalid('/n'))
  })
})

describe('GET /products/low-stock-{n}', () => {
  test('returns products with at most n pieces, lowest stock first', async () => {
    const [none, one, ten, eleven] = numberedProducts(4).map(
      (product, index) => reviseProduct(product, { stock: [0, 1, 10, 11][index] ?? 0 }).product,
    )
    assert.ok(none && one && ten && eleven)
    await store([eleven, ten, one, none])
    assert.deepEqual(await idsAt('/products/low-stock-0'), [1])
    assert.deepEqual(await idsAt('/products/low-stock-1'), [1, 2])
    assert.deepEqual(await idsAt('/products/low-stock-10'), [1, 2, 3])
    assert.deepEqual(await idsAt('/products/low-stock-2147483647'), [1, 2, 3, 4])
  })

  test('is paged', async () => {
    await store(numberedProducts(12))
    assert.deepEqual(await allIdsAt('/products/low-stock-10', 3), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const { next_cursor: cursor } = await list('/products/low-stock-10?limit=3')
    await assertRefused(app.http, { url: `/products/low-stock-9?cursor=${cursor}` }, invalid('/cursor'))
    await assertRefused(app.http, { url: '/products/low-stock-9?limit=0' }, invalid('/limit'))
  })

  test('refuses n that is not a whole number from 0 to 2147483647', async () => {
    for (const n of ['-1', 'abc', '1.5', '1e1', '', '2147483648', '99999999999'])
      await assertRefused(app.http, { url: `/products/low-stock-${n}` }, invalid('/n'))
  })
})

describe('GET /products/category/{category}', () => {
  const categories = [
    'Books',
    'books',
    'Home & Garden',
    'CD/DVD',
    'Bücher',
    '書籍 \u{1F4DA}',
    '100%',
    'top-5',
    '1',
  ]

  test('returns the products of exactly this category, with any characters in its name', async () => {
    const products = numberedProducts(categories.length).map(
      (product, index) => reviseProduct(product, { category: categories[index] ?? '' }).product,
    )
    await store(products)
    for (const [index, category] of categories.entries())
      assert.deepEqual(
        await idsAt(`/products/category/${encodeURIComponent(category)}`),
        [index + 1],
        category,
      )
  })

  test('returns an empty array for an unknown category', async () => {
    assert.deepEqual(await idsAt('/products/category/Unknown'), [])
    assert.deepEqual(await idsAt(`/products/category/${'x'.repeat(100)}`), [])
  })

  test('is paged in id order', async () => {
    const products = numberedProducts(7)
    await store(products.toReversed())
    assert.deepEqual(await allIdsAt('/products/category/Books', 2), idsOf(products))
    const { next_cursor: cursor } = await list('/products/category/Books?limit=3')
    await assertRefused(app.http, { url: `/products/category/Home?cursor=${cursor}` }, invalid('/cursor'))
    await assertRefused(app.http, { url: '/products/category/Books?limit=0' }, invalid('/limit'))
  })

  test('refuses a category that no product can have', async () => {
    for (const category of ['%00', 'a%00b', 'x'.repeat(101)])
      await assertRefused(app.http, { url: `/products/category/${category}` }, invalid('/category'))
    for (const category of ['%ff', '%', '%zz', '%ed%a0%80'])
      await assertRefused(
        app.http,
        { url: `/products/category/${category}` },
        { status: 400, code: 'invalid' },
      )
  })
})
