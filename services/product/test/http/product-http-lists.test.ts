import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
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
    groupId: null,
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

describe('GET /products?category=… and ?group_id=…', () => {
  const texts = ['Books', 'books', '.', '..', 'CD/DVD', '100%', 'a&b=c#d', '書籍 \u{1F4DA}', 'x'.repeat(64)]
  const query = (filters: object) => `/products?${String(new URLSearchParams({ ...filters }))}`

  test('list the products of exactly this category or group, with any characters', async () => {
    const products = numberedProducts(texts.length).map(
      (product, index) =>
        reviseProduct(product, { category: texts[index] ?? '', groupId: texts.at(-1 - index) ?? null })
          .product,
    )
    await store(products)
    for (const [index, text] of texts.entries()) {
      assert.deepEqual(await idsAt(query({ category: text })), [index + 1])
      assert.deepEqual(await idsAt(query({ group_id: text })), [texts.length - index])
    }
    assert.deepEqual(await idsAt(query({ category: 'Books', group_id: 'x'.repeat(64) })), [1])
    assert.deepEqual(await idsAt(query({ category: 'Books', group_id: 'books' })), [])
    assert.deepEqual(await idsAt(query({ category: 'Unknown' })), [])
  })

  test('list the products without a category if it is empty', async () => {
    const none = { category: '', groupId: null }
    const values = [
      none,
      { ...none, groupId: 'a' },
      { ...none, category: 'a' },
      { category: 'a', groupId: 'a' },
    ]
    await store(
      numberedProducts(4).map((product, index) => reviseProduct(product, values[index] ?? {}).product),
    )
    assert.deepEqual(await idsAt('/products?category='), [1, 2])
    assert.deepEqual(await idsAt('/products?category'), [1, 2])
    assert.deepEqual(await idsAt('/products?category=&group_id=a'), [2])
  })

  test('are combined with every sort, limit and cursor', async () => {
    const filters = fc.record(
      { category: fc.constantFrom('', 'Home'), group_id: fc.constantFrom('a', 'A') },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(
        anyProducts,
        fc.constantFrom(...sortEntries),
        filters,
        fc.integer({ min: 1, max: 4 }),
        async (products, [word, sort], filter, limit) => {
          await store(products)
          const matching = products.filter(
            ({ category, groupId }) =>
              category === (filter.category ?? category) && groupId === (filter.group_id ?? groupId),
          )
          assert.deepEqual(
            await allIdsAt(query({ sort: word, ...filter }), limit),
            idsOf(sortProducts(sort, matching)),
          )
        },
      ),
      { numRuns: 80 },
    )
  })

  test('refuse a value that no product can have, and a repeated parameter', async () => {
    for (const [name, longest] of [
      ['category', 100],
      ['group_id', 64],
    ] as const)
      for (const value of ['x'.repeat(longest + 1), '%00', 'a%00b', `a&${name}=b`])
        await assertRefused(app.http, { url: `/products?${name}=${value}` }, invalid(`/${name}`))
  })

  test('refuse an empty group, which no product has', async () => {
    for (const filter of ['group_id=', 'group_id', 'category=&group_id=', 'sort=-price&group_id=']) {
      const url = `/products?${filter}`
      await assertRefused(app.http, { url }, invalid('/group_id'))
      assert.equal((await send(app.http, { url })).json().detail, 'group_id must not be empty')
    }
  })

  test('refuse a cursor of a list with other filters', async () => {
    await store(numberedProducts(5).map((product) => ({ ...product, groupId: 'Books' })))
    const lists = [{}, { category: 'Books' }, { group_id: 'Books' }, { category: 'Books', group_id: 'Books' }]
    for (const filter of lists) {
      const { next_cursor: cursor } = await list(query({ ...filter, limit: 2 }))
      assert.deepEqual(await idsAt(query({ ...filter, cursor })), [3, 4, 5])
      for (const other of [...lists, { category: '' }].filter((one) => one !== filter))
        await assertRefused(app.http, { url: query({ ...other, cursor }) }, invalid('/cursor'))
    }
  })
})

describe('a query parameter that a list does not know', () => {
  const lists = ['/products', '/products/top-5', '/products/low-stock-5', '/products/category/Books']

  test('is refused and named, for every list', async () => {
    for (const url of lists)
      for (const name of ['page', 'offset', 'q', 'Limit', 'limit[]', 'constructor'])
        await assertRefused(app.http, { url: `${url}?${encodeURIComponent(name)}=2` }, invalid(`/${name}`))
    for (const name of ['limit', 'cursor', 'sort', 'category'])
      await assertRefused(app.http, { url: `/products/top-5?${name}=1` }, invalid(`/${name}`))
    for (const name of ['sort', 'category', 'group_id'])
      await assertRefused(app.http, { url: `/products/category/Books?${name}=id` }, invalid(`/${name}`))
  })

  test('is refused together with the names of those that exist', async () => {
    const { detail } = (await send(app.http, { url: '/products?page=2' })).json()
    assert.equal(
      detail,
      'page is not a known name; the known names are limit, cursor, sort, category, group_id',
    )
    assert.equal((await send(app.http, { method: 'HEAD', url: '/products?page=2' })).statusCode, 400)
  })

  test('is ignored by other routes', async () => {
    await store(numberedProducts(1))
    for (const url of ['/products/1', '/health', '/health/live', '/health/ready', '/metrics'])
      assert.equal((await send(app.http, { url: `${url}?page=2` })).statusCode, 200, url)
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
    for (const n of ['0', '101', '-1', 'abc', '1.5', '1e1', '99999999999'])
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
    for (const n of ['-1', 'abc', '1.5', '1e1', '2147483648', '99999999999'])
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

describe('a page of long products', () => {
  const mebibyte = 1024 * 1024

  /** The lists that are paged. All of them have every product. */
  const paged = [
    '/products?sort=-price',
    '/products?category=Books',
    '/products/low-stock-1000',
    '/products/category/Books',
  ]
  const describe150 = (description: string) =>
    numberedProducts(150).map((product) => ({ ...product, description }))

  for (const [name, character, least] of [
    ['wide characters', '漢', 60],
    ['characters that JSON escapes', '\u0001', 30],
  ] as const)
    test(`ends at 1 MiB of JSON, and the list has each product once: ${name}`, async () => {
      const products = describe150(character.repeat(5_000))
      await store(products)
      for (const url of paged) {
        const response = await send(app.http, { url: `${url}${url.includes('?') ? '&' : '?'}limit=1000` })
        const { count, next_cursor } = response.json()
        assert.ok(response.rawPayload.length <= mebibyte, `${response.rawPayload.length} bytes`)
        assert.ok(count >= least && next_cursor !== null, `${count} products`)
        const ids = await allIdsAt(url, 1_000)
        assert.deepEqual(
          ids.toSorted((one, other) => one - other),
          idsOf(products),
        )
      }
    })

  test('has the requested number of products if they fit, and a top list always has it', async () => {
    await store(describe150('漢'.repeat(5_000)))
    assert.equal((await list('/products?limit=60')).count, 60)
    const top = await list('/products/top-100')
    assert.equal(top.count, 100)
    assert.ok(Buffer.byteLength(JSON.stringify(top)) > mebibyte)
    await store(describe150('x'.repeat(5_000)))
    assert.equal((await list('/products?limit=150')).count, 150)
  })

  test('is the same when it is compressed', async () => {
    await store(describe150('漢'.repeat(5_000)))
    const url = '/products?limit=1000'
    const [plain, compressed] = await Promise.all([
      send(app.http, { url }),
      send(app.http, { url, headers: { 'accept-encoding': 'gzip' } }),
    ])
    assert.equal(compressed.headers['content-encoding'], 'gzip')
    assert.deepEqual(JSON.parse(gunzipSync(compressed.rawPayload).toString()), plain.json())
  })
})
