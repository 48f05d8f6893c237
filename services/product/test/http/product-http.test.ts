import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import type { Product } from '../../src/domain/product.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { assertRefused, type Request, send } from '../support/http.ts'
import { changeProduct, creationOf, openApp } from '../support/store.ts'

const app = await openApp()
after(() => app[Symbol.asyncDispose]())

let lamp: Product
beforeEach(async () => {
  await app.store.database.deleteFrom('products').execute()
  lamp = await app.store.products.add(creationOf())
})

const url = () => `/products/${lamp.id}`
const findLamp = () => app.store.reader.find(lamp.id)
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const unknownUrl = '/products/2147483647'
const notFound = { status: 404, code: 'not_found' }
const stale = { status: 412, code: 'stale_version' }

/** Returns the lamp as JSON, with these changes. */
const lampJson = (changes: object = {}) => ({
  id: lamp.id,
  name: 'Desk Lamp',
  description: 'LED, dimmable',
  price: 34.5,
  stock: 5,
  category: 'Home',
  group_id: null,
  currency: 'EUR',
  version: 1,
  created_at: lamp.createdAt.toISOString(),
  updated_at: lamp.updatedAt.toISOString(),
  ...changes,
})

/** Sends the request and checks the status of the response. */
const sendAndExpect = async (request: Request, status = 200) => {
  const response = await send(app.http, request)
  assert.equal(response.statusCode, status, response.body)
  return response
}

/**
 * Sends a write and returns the product in the response. Checks its `updated_at` and replaces it with the
 * lamp's, so that the result can be compared with `lampJson`.
 */
const sendWrite = async (request: Request) => {
  const response = await sendAndExpect(request)
  const { updated_at, ...product } = response.json()
  assert.match(updated_at, isoTime)
  assert.ok(new Date(updated_at) >= lamp.updatedAt)
  assert.equal(response.headers.etag, `"${product.version}"`)
  return { ...product, updated_at: lamp.updatedAt.toISOString() }
}

describe('GET /products/{id}', () => {
  test('returns the product with its ETag', async () => {
    const response = await sendAndExpect({ url: url() })
    assert.deepEqual(response.json(), lampJson())
    assert.equal(response.headers.etag, '"1"')
    assert.match(String(response.headers['content-type']), /^application\/json/)
  })

  test('returns prices exactly, from zero to the maximum', async () => {
    for (const [price, text] of [
      [0n, '0'],
      [1n, '0.01'],
      [10n, '0.1'],
      [999_999_999_999n, '9999999999.99'],
    ] as const) {
      const { id } = await app.store.products.add(creationOf({ price }))
      const { body } = await sendAndExpect({ url: `/products/${id}` })
      assert.ok(body.includes(`"price":${text},`), body)
    }
  })

  test('answers 304 without a body if If-None-Match matches the ETag', async () => {
    for (const tags of ['"1"', 'W/"1"', '"0", "1"', '*']) {
      const response = await sendAndExpect({ url: url(), headers: { 'if-none-match': tags } }, 304)
      assert.equal(response.body, '')
      assert.equal(response.headers.etag, '"1"')
    }
    for (const tags of ['"2"', '"11"', '1', '"*"'])
      await sendAndExpect({ url: url(), headers: { 'if-none-match': tags } })
  })

  test('answers HEAD with the same headers and no body', async () => {
    const get = await sendAndExpect({ url: url() })
    const head = await sendAndExpect({ method: 'HEAD', url: url() })
    assert.equal(head.body, '')
    for (const name of ['etag', 'content-type', 'content-length'])
      assert.equal(head.headers[name], get.headers[name])
    assert.equal((await send(app.http, { method: 'HEAD', url: unknownUrl })).statusCode, 404)
  })

  test('answers 404 for an unknown product', () => assertRefused(app.http, { url: unknownUrl }, notFound))
})

describe('POST /products', () => {
  test('answers 201 with the product, its Location and its ETag', async () => {
    const payload = { name: ' 1984 ', description: 'A novel', price: 14.99, stock: 75, category: 'Books' }
    const response = await sendAndExpect({ method: 'POST', url: '/products', payload }, 201)
    const product = response.json()
    assert.deepEqual(product, { ...product, ...payload, name: '1984', version: 1 })
    assert.deepEqual(Object.keys(product), Object.keys(lampJson()))
    assert.match(product.created_at, isoTime)
    assert.equal(product.updated_at, product.created_at)
    assert.equal(response.headers.etag, '"1"')
    assert.equal(response.headers.location, `/products/${product.id}`)
    assert.deepEqual((await sendAndExpect({ url: `/products/${product.id}` })).json(), product)
  })

  test('stores the group; null is like no group', async () => {
    for (const group_id of ['lamps/2', null, undefined]) {
      const payload = { name: 'x', price: 0, group_id }
      const product = (await sendAndExpect({ method: 'POST', url: '/products', payload }, 201)).json()
      assert.equal(product.group_id, group_id ?? null)
      assert.equal(
        (await sendAndExpect({ url: `/products/${product.id}` })).json().group_id,
        group_id ?? null,
      )
    }
  })

  test('accepts the longest valid product, also if all its characters are escaped and the body has 256 KiB', async () => {
    const payload = {
      name: '😀'.repeat(200),
      description: '😀'.repeat(5_000),
      price: 9_999_999_999.99,
      category: '😀'.repeat(100),
      group_id: '😀'.repeat(64),
    }
    const escaped = JSON.stringify(payload).replace(
      /[^\0-\x7f]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    for (const body of [escaped, escaped.padEnd(256 * 1024)]) {
      const response = await sendAndExpect({ method: 'POST', url: '/products', payload: body }, 201)
      const product: object = response.json()
      assert.deepEqual({ ...product, ...payload }, product)
    }
  })

  test('requires only a name and a price', async () => {
    const payload = { name: 'x', price: 0 }
    const { description, price, stock, category } = (
      await sendAndExpect({ method: 'POST', url: '/products', payload }, 201)
    ).json()
    assert.deepEqual(
      { description, price, stock, category },
      { description: '', price: 0, stock: 0, category: '' },
    )
  })

  test('ignores unknown members, and members whose values the store assigns', async () => {
    const payload = `{
      "id": 77, "version": 9, "created_at": "x", "updated_at": null, "color": "red",
      "__proto__": { "stock": 3 }, "constructor": { "prototype": { "stock": 3 } },
      "name": "x", "price": 1
    }`
    const product = (await sendAndExpect({ method: 'POST', url: '/products', payload }, 201)).json()
    assert.deepEqual(Object.keys(product), Object.keys(lampJson()))
    assert.notEqual(product.id, 77)
    assert.equal(product.version, 1)
    assert.equal(product.stock, 0)
  })
})

describe('PUT /products/{id}', () => {
  test('replaces every field; missing fields get their defaults', async () => {
    const payload = { name: 'Floor Lamp', price: 0 }
    const expected = lampJson({ ...payload, description: '', stock: 0, category: '', version: 2 })
    assert.deepEqual(await sendWrite({ method: 'PUT', url: url(), payload }), expected)
    const { name, price, description, stock, category, version } = (await findLamp()) ?? {}
    assert.deepEqual(
      { name, price, description, stock, category, version },
      { name: 'Floor Lamp', price: 0n, description: '', stock: 0, category: '', version: 2 },
    )
  })

  test('takes the id from the path and ignores the one in the body', async () => {
    const other = await app.store.products.add(creationOf())
    const payload = { id: other.id, version: 7, name: 'x', price: 1 }
    assert.equal((await sendWrite({ method: 'PUT', url: url(), payload })).id, lamp.id)
    assert.deepEqual(await app.store.reader.find(other.id), other)
  })

  test('answers 404 for an unknown product and creates nothing', async () => {
    const request = { method: 'PUT', url: unknownUrl, payload: { name: 'x', price: 1 } } as const
    await assertRefused(app.http, request, notFound)
    assert.equal((await app.store.reader.list({ sort: byId, limit: 10 })).products.length, 1)
  })
})

describe('the group of a product', () => {
  test('is kept by a PUT that leaves it out, and changed or removed by one that has it', async () => {
    lamp = await app.store.products.add(creationOf({ groupId: 'lamps' }))
    const put = async (changes: object) => {
      const payload = { name: 'x', price: 1, ...changes }
      return (await sendWrite({ method: 'PUT', url: url(), payload })).group_id
    }
    assert.equal(await put({}), 'lamps')
    assert.equal(await put({ group_id: 'other' }), 'other')
    assert.equal((await findLamp())?.groupId, 'other')
    assert.equal(await put({ group_id: null }), null)
    assert.equal((await findLamp())?.groupId, null)
  })

  test('is changed by a PATCH, and removed by null', async () => {
    const patch = (payload: object) => sendWrite({ method: 'PATCH', url: url(), payload })
    assert.deepEqual(await patch({ group_id: 'lamps' }), lampJson({ group_id: 'lamps', version: 2 }))
    assert.deepEqual(await patch({ stock: 1 }), lampJson({ group_id: 'lamps', stock: 1, version: 3 }))
    assert.deepEqual(await patch({ group_id: null }), lampJson({ stock: 1, version: 4 }))
  })

  test('is named in the 400 if it is invalid', async () => {
    const refusal = { status: 400, code: 'invalid', paths: ['/group_id'] }
    for (const group_id of ['', 'x'.repeat(65), 'a\0b', 'a\nb', '\ud800', 5, true, ['a'], {}])
      for (const [method, path] of [
        ['POST', '/products'],
        ['PUT', url()],
        ['PATCH', url()],
      ] as const)
        await assertRefused(
          app.http,
          { method, url: path, payload: { name: 'x', price: 1, group_id } },
          refusal,
        )
  })
})

describe('a product of an earlier version whose texts break newer rules', () => {
  const texts = { name: '\u200b', description: 'a\u001b', category: 'a\nb' }
  const store = async () => {
    await app.store.database.updateTable('products').set(texts).execute()
  }

  test('is read and listed, also by its category', async () => {
    await store()
    assert.deepEqual((await sendAndExpect({ url: url() })).json(), lampJson(texts))
    const listUrl = `/products/category/${encodeURIComponent(texts.category)}`
    assert.deepEqual((await sendAndExpect({ url: listUrl })).json().products, [lampJson(texts)])
  })

  test('can be changed by PATCH of other members, and by PUT with the same texts', async () => {
    await store()
    const patch = { method: 'PATCH', url: url(), payload: { stock: 6 } } as const
    assert.deepEqual(await sendWrite(patch), lampJson({ ...texts, stock: 6, version: 2 }))
    const put = { method: 'PUT', url: url(), payload: { ...texts, price: 1 } } as const
    assert.deepEqual(await sendWrite(put), lampJson({ ...texts, price: 1, stock: 0, version: 3 }))
    const other = { ...put, payload: { ...put.payload, name: '\u200b\u200b' } }
    await assertRefused(app.http, other, { status: 400, code: 'invalid', paths: ['/name'] })
  })
})

describe('PATCH /products/{id}', () => {
  test('changes the given members and keeps the others', async () => {
    const changes = { name: 'x', description: 'y', price: 12.5, stock: 0, category: 'z' }
    for (const [index, [member, value]] of Object.entries(changes).entries()) {
      const payload = { [member]: value }
      const changed = Object.fromEntries(Object.entries(changes).slice(0, index + 1))
      assert.deepEqual(
        await sendWrite({ method: 'PATCH', url: url(), payload }),
        lampJson({ ...changed, version: index + 2 }),
      )
    }
  })

  test('resets optional members to their defaults if they are null', async () => {
    const payload = { description: null, stock: null, category: null }
    assert.deepEqual(
      await sendWrite({ method: 'PATCH', url: url(), payload }),
      lampJson({ description: '', stock: 0, category: '', version: 2 }),
    )
  })

  test('refuses null for name and price', async () => {
    for (const member of ['name', 'price'])
      await assertRefused(
        app.http,
        { method: 'PATCH', url: url(), payload: { [member]: null } },
        { status: 400, code: 'invalid', paths: [`/${member}`] },
      )
    assert.deepEqual(await findLamp(), lamp)
  })

  test('ignores unknown members, and members whose values the store assigns', async () => {
    const payload = { id: 77, version: 50, created_at: null, color: 'red', stock: 6 }
    assert.deepEqual(
      await sendWrite({ method: 'PATCH', url: url(), payload }),
      lampJson({ stock: 6, version: 2 }),
    )
  })

  test('accepts application/merge-patch+json, which POST and PUT refuse', async () => {
    const headers = { 'content-type': 'application/merge-patch+json' }
    const payload = { name: 'x', price: 1 }
    assert.equal((await sendWrite({ method: 'PATCH', url: url(), headers, payload })).name, 'x')
    const refusal = { status: 415, code: 'unsupported_media_type' }
    await assertRefused(app.http, { method: 'POST', url: '/products', headers, payload }, refusal)
    await assertRefused(app.http, { method: 'PUT', url: url(), headers, payload }, refusal)
  })

  test('answers 404 for an unknown product', () =>
    assertRefused(app.http, { method: 'PATCH', url: unknownUrl, payload: { stock: 1 } }, notFound))
})

describe('DELETE /products/{id}', () => {
  test('answers 204 without a body and removes the product', async () => {
    const response = await sendAndExpect({ method: 'DELETE', url: url() }, 204)
    assert.equal(response.body, '')
    await assertRefused(app.http, { url: url() }, notFound)
    await assertRefused(app.http, { method: 'DELETE', url: url() }, notFound)
  })

  test('ignores Content-Type if there is no body', async () => {
    await sendAndExpect(
      { method: 'DELETE', url: url(), headers: { 'content-type': 'application/json' } },
      204,
    )
  })
})

const writes = [
  { method: 'PUT', payload: { name: 'x', price: 1 }, status: 200 },
  { method: 'PATCH', payload: { name: 'x' }, status: 200 },
  { method: 'DELETE', status: 204 },
] as const

describe('If-Match', () => {
  for (const { status, ...write } of writes) {
    test(`lets ${write.method} succeed if it matches the ETag`, async () => {
      for (const tags of ['"1"', '"7", "1"', '"7","1"', '*', ' * ', 'W/"1"', '"1-gzip"']) {
        lamp = await app.store.products.add(creationOf())
        await sendAndExpect({ ...write, url: url(), headers: { 'if-match': tags } }, status)
      }
    })

    test(`refuses ${write.method} with 412 if it does not match the ETag, and nothing changes`, async () => {
      for (const tags of ['"2"', 'W/"2"', '"0", "2"', '"2-gzip"', '1', '', '"*"', '"1,2"', 'x, "1"'])
        await assertRefused(app.http, { ...write, url: url(), headers: { 'if-match': tags } }, stale)
      assert.deepEqual(await findLamp(), lamp)
    })

    test(`refuses ${write.method} with 412 after another write`, async () => {
      await changeProduct(app.store.products, lamp.id, (product) => product)
      await assertRefused(app.http, { ...write, url: url(), headers: { 'if-match': '"1"' } }, stale)
      await sendAndExpect({ ...write, url: url(), headers: { 'if-match': '"2"' } }, status)
    })

    test(`has no effect on ${write.method} of an unknown product, which is answered with 404`, () =>
      assertRefused(app.http, { ...write, url: unknownUrl, headers: { 'if-match': '"1"' } }, notFound))
  }
})

describe('If-None-Match', () => {
  for (const { status, ...write } of writes) {
    const withTags = (tags: string) => ({ ...write, url: url(), headers: { 'if-none-match': tags } })

    test(`refuses ${write.method} with 412 if it matches the ETag, and nothing changes`, async () => {
      for (const tags of ['"1"', 'W/"1"', '"7", "1"', '"1-gzip"', '*'])
        await assertRefused(app.http, withTags(tags), stale)
      assert.deepEqual(await findLamp(), lamp)
    })

    test(`lets ${write.method} succeed if it does not match the ETag`, async () => {
      for (const tags of ['"2"', 'W/"2", "3"', '"x"', '']) {
        lamp = await app.store.products.add(creationOf())
        await sendAndExpect(withTags(tags), status)
      }
    })

    test(`refuses ${write.method} with 412 unless If-Match holds too`, async () => {
      for (const [ifMatch, ifNoneMatch] of [
        ['"2"', '"3"'],
        ['"1"', '"1"'],
        ['*', '*'],
      ] as const) {
        const headers = { 'if-match': ifMatch, 'if-none-match': ifNoneMatch }
        await assertRefused(app.http, { ...write, url: url(), headers }, stale)
      }
      assert.deepEqual(await findLamp(), lamp)
      const headers = { 'if-match': '"1"', 'if-none-match': '"2"' }
      await sendAndExpect({ ...write, url: url(), headers }, status)
    })

    test(`refuses ${write.method} with 400 if it is malformed, and nothing changes`, async () => {
      const malformed = { status: 400, code: 'invalid', paths: ['/If-None-Match'] }
      await assertRefused(app.http, withTags('1'), malformed)
      assert.deepEqual(await findLamp(), lamp)
    })

    test(`has no effect on ${write.method} of an unknown product, which is answered with 404`, () =>
      assertRefused(app.http, { ...withTags('*'), url: unknownUrl }, notFound))
  }

  test('means nothing on collections', async () => {
    const headers = { 'if-none-match': '*' }
    const payload = { name: 'x', price: 1 }
    await sendAndExpect({ method: 'POST', url: '/products', payload, headers }, 201)
    for (const path of ['/products', '/products/top-5', '/products/low-stock-10', '/products/category/Home'])
      await sendAndExpect({ url: path, headers })
  })
})
