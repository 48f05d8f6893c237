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
const stored = () => app.store.reader.find(lamp.id)
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const unknown = '/products/2147483647'
const notFound = { status: 404, code: 'not_found' }
const stale = { status: 412, code: 'stale_version' }

/** The lamp as JSON, with some members changed. */
const lampJson = (changes: object = {}) => ({
  id: lamp.id,
  name: 'Desk Lamp',
  description: 'LED, dimmable',
  price: 34.5,
  stock: 5,
  category: 'Home',
  version: 1,
  created_at: lamp.createdAt.toISOString(),
  updated_at: lamp.updatedAt.toISOString(),
  ...changes,
})

const accepted = async (request: Request, status = 200) => {
  const response = await send(app.http, request)
  assert.equal(response.statusCode, status, response.body)
  return response
}

/** The product in the response to a write, its time of update checked and taken for the lamp's. */
const written = async (request: Request) => {
  const response = await accepted(request)
  const { updated_at, ...product } = response.json()
  assert.match(updated_at, time)
  assert.ok(new Date(updated_at) >= lamp.updatedAt)
  assert.equal(response.headers.etag, `"${product.version}"`)
  return { ...product, updated_at: lamp.updatedAt.toISOString() }
}

describe('GET /products/{id}', () => {
  test('answers the product with its ETag', async () => {
    const response = await accepted({ url: url() })
    assert.deepEqual(response.json(), lampJson())
    assert.equal(response.headers.etag, '"1"')
    assert.match(String(response.headers['content-type']), /^application\/json/)
  })

  test('answers money exactly, from nothing to the most there is', async () => {
    for (const [price, text] of [
      [0n, '0'],
      [1n, '0.01'],
      [10n, '0.1'],
      [999_999_999_999n, '9999999999.99'],
    ] as const) {
      const { id } = await app.store.products.add(creationOf({ price }))
      const { body } = await accepted({ url: `/products/${id}` })
      assert.ok(body.includes(`"price":${text},`), body)
    }
  })

  test('answers 304 without a body when If-None-Match has the ETag', async () => {
    for (const tags of ['"1"', 'W/"1"', '"0", "1"', '*']) {
      const response = await accepted({ url: url(), headers: { 'if-none-match': tags } }, 304)
      assert.equal(response.body, '')
      assert.equal(response.headers.etag, '"1"')
    }
    for (const tags of ['"2"', '"11"', '1', '"*"'])
      await accepted({ url: url(), headers: { 'if-none-match': tags } })
  })

  test('answers HEAD with the same headers and no body', async () => {
    const get = await accepted({ url: url() })
    const head = await accepted({ method: 'HEAD', url: url() })
    assert.equal(head.body, '')
    for (const name of ['etag', 'content-type', 'content-length'])
      assert.equal(head.headers[name], get.headers[name])
    assert.equal((await send(app.http, { method: 'HEAD', url: unknown })).statusCode, 404)
  })

  test('answers 404 when there is no such product', () => assertRefused(app.http, { url: unknown }, notFound))
})

describe('POST /products', () => {
  test('answers 201 with the product, where it is, and its ETag', async () => {
    const payload = { name: ' 1984 ', description: 'A novel', price: 14.99, stock: 75, category: 'Books' }
    const response = await accepted({ method: 'POST', url: '/products', payload }, 201)
    const product = response.json()
    assert.deepEqual(product, { ...product, ...payload, name: '1984', version: 1 })
    assert.deepEqual(Object.keys(product), Object.keys(lampJson()))
    assert.match(product.created_at, time)
    assert.equal(product.updated_at, product.created_at)
    assert.equal(response.headers.etag, '"1"')
    assert.equal(response.headers.location, `/products/${product.id}`)
    assert.deepEqual((await accepted({ url: `/products/${product.id}` })).json(), product)
  })

  test('needs no more than a name and a price', async () => {
    const payload = { name: 'x', price: 0 }
    const { description, price, stock, category } = (
      await accepted({ method: 'POST', url: '/products', payload }, 201)
    ).json()
    assert.deepEqual(
      { description, price, stock, category },
      { description: '', price: 0, stock: 0, category: '' },
    )
  })

  test('ignores members that it does not know, and those that are the store’s', async () => {
    const payload = `{
      "id": 77, "version": 9, "created_at": "x", "updated_at": null, "colour": "red",
      "__proto__": { "stock": 3 }, "constructor": { "prototype": { "stock": 3 } },
      "name": "x", "price": 1
    }`
    const product = (await accepted({ method: 'POST', url: '/products', payload }, 201)).json()
    assert.deepEqual(Object.keys(product), Object.keys(lampJson()))
    assert.notEqual(product.id, 77)
    assert.equal(product.version, 1)
    assert.equal(product.stock, 0)
  })
})

describe('PUT /products/{id}', () => {
  test('replaces every field: what is left out has its default again', async () => {
    const payload = { name: 'Floor Lamp', price: 0 }
    const expected = lampJson({ ...payload, description: '', stock: 0, category: '', version: 2 })
    assert.deepEqual(await written({ method: 'PUT', url: url(), payload }), expected)
    const { name, price, description, stock, category, version } = (await stored()) ?? {}
    assert.deepEqual(
      { name, price, description, stock, category, version },
      { name: 'Floor Lamp', price: 0n, description: '', stock: 0, category: '', version: 2 },
    )
  })

  test('takes the product from the path, and ignores the id in the body', async () => {
    const other = await app.store.products.add(creationOf())
    const payload = { id: other.id, version: 7, name: 'x', price: 1 }
    assert.equal((await written({ method: 'PUT', url: url(), payload })).id, lamp.id)
    assert.deepEqual(await app.store.reader.find(other.id), other)
  })

  test('answers 404 for an unknown product, and makes none', async () => {
    const request = { method: 'PUT', url: unknown, payload: { name: 'x', price: 1 } } as const
    await assertRefused(app.http, request, notFound)
    assert.equal((await app.store.reader.list({ sort: byId, limit: 10 })).products.length, 1)
  })
})

describe('PATCH /products/{id}', () => {
  test('changes the members that are given and keeps the others', async () => {
    const changes = { name: 'x', description: 'y', price: 12.5, stock: 0, category: 'z' }
    for (const [index, [member, value]] of Object.entries(changes).entries()) {
      const payload = { [member]: value }
      const soFar = Object.fromEntries(Object.entries(changes).slice(0, index + 1))
      assert.deepEqual(
        await written({ method: 'PATCH', url: url(), payload }),
        lampJson({ ...soFar, version: index + 2 }),
      )
    }
  })

  test('takes null for "as if left out", where a member may be left out', async () => {
    const payload = { description: null, stock: null, category: null }
    assert.deepEqual(
      await written({ method: 'PATCH', url: url(), payload }),
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
    assert.deepEqual(await stored(), lamp)
  })

  test('ignores members that it does not know', async () => {
    const payload = { id: 77, version: 50, created_at: null, colour: 'red', stock: 6 }
    assert.deepEqual(
      await written({ method: 'PATCH', url: url(), payload }),
      lampJson({ stock: 6, version: 2 }),
    )
  })

  test('takes its own media type, which POST and PUT do not', async () => {
    const headers = { 'content-type': 'application/merge-patch+json' }
    const payload = { name: 'x', price: 1 }
    assert.equal((await written({ method: 'PATCH', url: url(), headers, payload })).name, 'x')
    const refusal = { status: 415, code: 'unsupported_media_type' }
    await assertRefused(app.http, { method: 'POST', url: '/products', headers, payload }, refusal)
    await assertRefused(app.http, { method: 'PUT', url: url(), headers, payload }, refusal)
  })

  test('answers 404 for an unknown product', () =>
    assertRefused(app.http, { method: 'PATCH', url: unknown, payload: { stock: 1 } }, notFound))
})

describe('DELETE /products/{id}', () => {
  test('answers 204 without a body; the product is gone', async () => {
    const response = await accepted({ method: 'DELETE', url: url() }, 204)
    assert.equal(response.body, '')
    await assertRefused(app.http, { url: url() }, notFound)
    await assertRefused(app.http, { method: 'DELETE', url: url() }, notFound)
  })

  test('does not mind a media type without a body', async () => {
    await accepted({ method: 'DELETE', url: url(), headers: { 'content-type': 'application/json' } }, 204)
  })
})

describe('If-Match', () => {
  const writes = [
    { method: 'PUT', payload: { name: 'x', price: 1 }, status: 200 },
    { method: 'PATCH', payload: { name: 'x' }, status: 200 },
    { method: 'DELETE', status: 204 },
  ] as const

  for (const { status, ...write } of writes) {
    test(`lets ${write.method} go on when it has the ETag`, async () => {
      for (const tags of ['"1"', '"7", "1"', '"7","1"', '*', ' * ']) {
        lamp = await app.store.products.add(creationOf())
        await accepted({ ...write, url: url(), headers: { 'if-match': tags } }, status)
      }
    })

    test(`stops ${write.method} with 412 when it has not, and nothing changes`, async () => {
      for (const tags of ['"2"', '"0", "2"', 'W/"1"', '1', '', '"*"'])
        await assertRefused(app.http, { ...write, url: url(), headers: { 'if-match': tags } }, stale)
      assert.deepEqual(await stored(), lamp)
    })

    test(`stops ${write.method} when somebody else wrote meanwhile`, async () => {
      await changeProduct(app.store.products, lamp.id, (product) => product)
      await assertRefused(app.http, { ...write, url: url(), headers: { 'if-match': '"1"' } }, stale)
      await accepted({ ...write, url: url(), headers: { 'if-match': '"2"' } }, status)
    })

    test(`does not make ${write.method} of an unknown product anything but a 404`, () =>
      assertRefused(app.http, { ...write, url: unknown, headers: { 'if-match': '"1"' } }, notFound))
  }
})
