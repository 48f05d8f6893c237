import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, describe, test } from 'node:test'
import { byId } from '../../src/domain/product-reader.ts'
import { assertProblem, assertRefused, type Request, send } from '../support/http.ts'
import { creationOf, openApp } from '../support/store.ts'

const app = await openApp()
const lamp = await app.store.products.add(creationOf())
after(async () => {
  const { products } = await app.store.reader.list({ sort: byId, limit: 10 })
  await app[Symbol.asyncDispose]()
  assert.deepEqual(products, [lamp], 'refused requests change nothing')
})

const invalid = (...paths: string[]) => ({ status: 400, code: 'invalid', paths })
const unreadable = { status: 400, code: 'invalid' }
const tooLarge = { status: 413, code: 'payload_too_large' }

describe('an id that is not a whole number in range gets a 400', () => {
  const ids = [
    '0',
    'abc',
    '99999999999',
    '2147483648',
    '1e3',
    '-1',
    '1.5',
    '%00',
    '01',
    '0x1',
    '%201',
    '+1',
    'NaN',
    '1e1',
    '%EF%BC%91',
    '1%2F..%2F1',
    '1%5c',
  ]
  const requests: Omit<Request, 'url'>[] = [
    { method: 'GET' },
    { method: 'PUT', payload: { name: 'x', price: 1 } },
    { method: 'PATCH', payload: { name: 'x' } },
    { method: 'DELETE' },
  ]
  for (const request of requests)
    test(`for ${request.method}`, async () => {
      for (const id of ids)
        await assertRefused(app.http, { ...request, url: `/products/${id}` }, invalid('/id'))
    })

  test('also if it is not valid percent-encoded UTF-8', async () => {
    for (const id of ['%ff', '%', '%c0%80'])
      await assertRefused(app.http, { url: `/products/${id}` }, unreadable)
  })
})

/** JSON members that break a rule, with the paths that the response names. */
const invalidMembers: readonly (readonly [json: string, ...paths: string[]])[] = [
  ['"price": -0.01', '/price'],
  ['"price": 14.999', '/price'],
  ['"price": 0.001', '/price'],
  ['"price": 1e400', '/price'],
  ['"price": -1e400', '/price'],
  ['"price": 1e-400', '/price'],
  ['"price": 0.1e-330', '/price'],
  ['"price": 14.99000000000000001', '/price'],
  ['"price": 14.990000000000002', '/price'],
  [`"price": 1.${'0'.repeat(60_000)}1`, '/price'],
  ['"price": 10000000000', '/price'],
  ['"price": 9999999999.995', '/price'],
  ['"price": "5"', '/price'],
  ['"price": true', '/price'],
  ['"price": null', '/price'],
  ['"price": []', '/price'],
  ['"price": [5]', '/price'],
  ['"name": ""', '/name'],
  ['"name": "   "', '/name'],
  ['"name": "\\t\\n\\u3000"', '/name'],
  ['"name": null', '/name'],
  ['"name": 5', '/name'],
  ['"name": ["x"]', '/name'],
  ['"name": "a\\u0000b"', '/name'],
  ['"name": "\\ud83d"', '/name'],
  ['"name": "\\ude00\\ud83d"', '/name'],
  [`"name": "${'x'.repeat(201)}"`, '/name'],
  ['"name": "\\u200b"', '/name'],
  ['"name": "\\u2060\\u180e\\u3164"', '/name'],
  ['"name": "a\\u001b[31mb"', '/name'],
  ['"name": "a\\r\\nb"', '/name'],
  ['"name": "a\\u009bb"', '/name'],
  ['"name": "a\\u202eb"', '/name'],
  ['"description": "\\u0000"', '/description'],
  ['"description": "a\\u001bb"', '/description'],
  ['"category": "a\\nb"', '/category'],
  ['"category": "a\\u202eb"', '/category'],
  ['"description": "\\udfff"', '/description'],
  ['"description": 5', '/description'],
  [`"description": "${'x'.repeat(5_001)}"`, '/description'],
  ['"category": "\\u0000"', '/category'],
  ['"category": "\\ud800x"', '/category'],
  ['"category": false', '/category'],
  [`"category": "${'é'.repeat(101)}"`, '/category'],
  ['"stock": 1.5', '/stock'],
  ['"stock": -1', '/stock'],
  ['"stock": 2147483648', '/stock'],
  ['"stock": 1e400', '/stock'],
  ['"stock": 1e-400', '/stock'],
  ['"stock": 1.00000000000000001', '/stock'],
  ['"stock": 9007199254740993', '/stock'],
  ['"stock": "5"', '/stock'],
  ['"stock": true', '/stock'],
  ['"stock": {}', '/stock'],
  ['"name": " ", "description": "\\u0000"', '/name', '/description'],
  ['"name": 1, "price": "x", "stock": 1.5', '/name', '/price', '/stock'],
]

describe('a body that breaks a rule gets a 400 that names the field', () => {
  const requests = [
    ['POST', '/products', '"name": "x", "price": 1, '],
    ['PUT', `/products/${lamp.id}`, '"name": "x", "price": 1, '],
    ['PATCH', `/products/${lamp.id}`, ''],
  ] as const

  for (const [method, url, required] of requests)
    test(`for ${method}`, async () => {
      for (const [json, ...paths] of invalidMembers) {
        // Of two members with the same name, the last one counts.
        const request = { method, url, payload: `{${required}${json}}` }
        await assertRefused(app.http, request, invalid(...paths))
      }
    })

  test('for POST and PUT without a name or a price', async () => {
    for (const [method, url] of [
      ['POST', '/products'],
      ['PUT', `/products/${lamp.id}`],
    ] as const)
      for (const [payload, ...paths] of [
        [{}, '/name', '/price'],
        [{ name: 'x' }, '/price'],
        [{ price: 1 }, '/name'],
      ] as const)
        await assertRefused(app.http, { method, url, payload }, invalid(...paths))
  })

  test('for POST and PUT with null in an optional member', async () => {
    for (const [method, url] of [
      ['POST', '/products'],
      ['PUT', `/products/${lamp.id}`],
    ] as const) {
      const payload = { name: 'x', price: 1, description: null, stock: null, category: null }
      await assertRefused(app.http, { method, url, payload }, invalid('/description', '/stock', '/category'))
    }
  })
})

test('a number that would be rounded is named with its rule, and ignored in a member that is not known', async () => {
  const request = (json: string) => ({ method: 'PATCH', url: `/products/${lamp.id}`, payload: json }) as const
  const response = await send(app.http, request('{"price": 14.99000000000000001}'))
  assert.equal(response.json().detail, 'price must be a number of at most 15 digits')
  // The name makes each request invalid, so that nothing is written.
  for (const json of [
    '"trace": 12345678901234567890',
    '"price": 1e400, "price": 1',
    '"price": 1.00000000000000000000',
  ])
    await assertRefused(app.http, request(`{${json}, "name": ""}`), invalid('/name'))
})

describe('a body that is not a JSON object gets a 400', () => {
  for (const [method, url] of [
    ['POST', '/products'],
    ['PUT', `/products/${lamp.id}`],
    ['PATCH', `/products/${lamp.id}`],
  ] as const)
    test(`for ${method}`, async () => {
      for (const payload of ['null', '[]', '5', '"x"', 'true', '[{"name": "x", "price": 1}]', ''])
        await assertRefused(app.http, { method, url, payload }, invalid(''))
      for (const payload of ['{', '{"name": x}', "{'name': 'x'}", 'name=x', '{"price": NaN}', '{} {}'])
        await assertRefused(app.http, { method, url, payload }, unreadable)
      await assertRefused(app.http, { method, url }, invalid(''))
    })
})

describe('a body of more than 256 KiB gets a 413', () => {
  test('with or without Content-Length', async () => {
    const tenMebibytes = Buffer.alloc(10 * 1024 * 1024, 0x20)
    for (const method of ['POST', 'PUT', 'PATCH'] as const) {
      const url = method === 'POST' ? '/products' : `/products/${lamp.id}`
      await assertRefused(app.http, { method, url, payload: tenMebibytes }, tooLarge)
      const chunked = { method, url, payload: Readable.from([tenMebibytes]) }
      await assertRefused(app.http, chunked, tooLarge)
    }
  })

  test('if it exceeds the limit by one byte, but not if it has exactly 256 KiB', async () => {
    const payload = `{"name": " ", "price": 1}`.padEnd(256 * 1024)
    await assertRefused(app.http, { method: 'POST', url: '/products', payload }, invalid('/name'))
    await assertRefused(app.http, { method: 'POST', url: '/products', payload: `${payload} ` }, tooLarge)
  })
})

test('a body of another media type gets a 415', async () => {
  const types = [
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'x',
  ]
  for (const method of ['POST', 'PUT', 'PATCH'] as const)
    for (const type of types) {
      const url = method === 'POST' ? '/products' : `/products/${lamp.id}`
      const request = { method, url, payload: '{"name": "x", "price": 1}', headers: { 'content-type': type } }
      await assertRefused(app.http, request, { status: 415, code: 'unsupported_media_type' })
    }
})

test('a 415 names the media types of its route', async () => {
  for (const [method, url, header, mediaTypes] of [
    ['POST', '/products', 'accept-post', 'application/json'],
    ['PUT', `/products/${lamp.id}`, 'accept', 'application/json'],
    ['PATCH', `/products/${lamp.id}`, 'accept-patch', 'application/merge-patch+json, application/json'],
  ] as const) {
    const request = { method, url, payload: 'x', headers: { 'content-type': 'text/plain' } }
    const response = await send(app.http, request)
    assert.equal(response.headers[header], mediaTypes)
    const detail = `unsupported media type; send ${mediaTypes.replace(', ', ' or ')}`
    assert.equal(response.json().detail, detail)
  }
})

test('an unsupported method gets a 405 that lists the supported ones in Allow', async () => {
  for (const [method, url, allow] of [
    ['DELETE', '/products', 'GET, HEAD, POST, OPTIONS'],
    ['POST', `/products/${lamp.id}`, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
    ['DELETE', '/products/top-5', 'GET, HEAD, OPTIONS'],
    ['PUT', '/products/low-stock-1', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/products/category/Books', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/products/1', 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
    ['QUERY', '/products', 'GET, HEAD, POST, OPTIONS'],
    ['GET', '/products/category', 'OPTIONS'],
    ['GET', '/products/category/', 'OPTIONS'],
    ['GET', '/products/top-', 'OPTIONS'],
    ['PUT', '/products/low-stock-', 'OPTIONS'],
  ] as const) {
    // The types of `inject` know only some methods.
    const response = await send(app.http, { method: method as 'GET', url })
    assertProblem(response, url, { status: 405, code: 'method_not_allowed' })
    assert.equal(response.headers.allow, allow)
    const options = await app.http.inject({ method: 'OPTIONS', url })
    assert.deepEqual([options.statusCode, options.headers.allow], [204, allow])
  }
})

test('an unknown path gets a 404', async () => {
  for (const url of ['/product', '/products/1/2', '/products/category/a/b', '/Products', '//products'])
    await assertRefused(app.http, { url }, { status: 404, code: 'not_found' })
})
