import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, itemsOf, linesIn, openApp, send } from '../support/http.ts'

let app: App
let basket: ReturnType<App['newUserBasket']>
before(async () => {
  app = await openApp()
  app.catalog.products.set(1, aProduct({ stock: 2_147_483_647 }))
  basket = app.newUserBasket()
  await basket.add(1, 5)
})
after(async () => {
  const lines = linesIn(await basket.get())
  await app[Symbol.asyncDispose]()
  assert.deepEqual(lines, [[1, 5]], 'a rejected request changes nothing')
})

const invalid = (...paths: string[]) => ({ status: 400, code: 'invalid', paths })
const unreadable = { status: 400, code: 'invalid' }

const add = (body: unknown) => send(app.http, 'POST', `${basket.url}/items`, body)
const set = (body: unknown) => send(app.http, 'PUT', `${basket.url}/items/1`, body)

/** Sends a request to each route that has a user id in its path, with this string as the user id. */
const requestEveryRoute = (user: string) => [
  send(app.http, 'GET', `/baskets/${user}`),
  send(app.http, 'POST', `/baskets/${user}/items`, { product_id: 1, quantity: 1 }),
  send(app.http, 'POST', `/baskets/${user}/items`, itemsOf([[1, 1]])),
  send(app.http, 'PATCH', `/baskets/${user}/items`, itemsOf([[1, 1]])),
  send(app.http, 'PUT', `/baskets/${user}/items/1`, { quantity: 1 }),
  send(app.http, 'DELETE', `/baskets/${user}/items/1`),
  send(app.http, 'DELETE', `/baskets/${user}/items`),
  send(app.http, 'DELETE', `/baskets/${user}`),
]

const padded = (bytes: number) => '{"quantity":5}'.padEnd(bytes)

const allowed = /^[A-Za-z0-9._:@|-]{1,128}$/
const isDots = (id: string) => id === '.' || id === '..'

test('a DELETE with a trailing slash gets 404 and removes nothing', async () => {
  for (const path of ['/items/', '/items/?x=1', '/'])
    assertProblem(await send(app.http, 'DELETE', basket.url + path), { status: 404, code: 'not_found' })
})

describe('a user id', () => {
  const invalidIds = [
    '%00',
    'a%00',
    'a%2Fb',
    'a%20b',
    '%0A',
    'user%0A',
    'caf%C3%A9',
    'a%23',
    'a*',
    'x'.repeat(129),
  ]
  for (const user of invalidIds)
    test(`of '${user.slice(0, 20)}' is rejected by every route that has it in its path`, async () => {
      for (const response of requestEveryRoute(user)) assertProblem(await response, invalid('/user_id'))
    })

  test('that is empty is rejected by every items route, and GET of /baskets/ gets 405', async () => {
    const itemsResponses = requestEveryRoute('').slice(1, -1)
    for (const response of itemsResponses) assertProblem(await response, invalid('/user_id'))
    assertProblem(await send(app.http, 'GET', '/baskets/'), { status: 405, code: 'method_not_allowed' })
  })

  test('that is not valid percent-encoded UTF-8 is rejected by every route that has it in its path', async () => {
    for (const user of ['%ff', '%', '%c0%80', '%zz'])
      for (const response of requestEveryRoute(user)) assertProblem(await response, unreadable)
  })

  test('in a body is rejected if it breaks the same rule, is missing, or is not a string', async () => {
    const invalidValues = [
      '',
      'a/b',
      'a\0',
      '\ud800',
      'x'.repeat(129),
      'a b',
      '.',
      '..',
      'a%7Cb',
      5,
      true,
      null,
      {},
      ['user123'],
      undefined,
    ]
    for (const user_id of invalidValues)
      assertProblem(await send(app.http, 'POST', '/baskets', { user_id }), invalid('/user_id'))
  })

  test('of 1 to 128 allowed characters is accepted in paths and bodies', async () => {
    const userId = fc.stringMatching(allowed).filter((id) => !isDots(id))
    await fc.assert(
      fc.asyncProperty(userId, async (user_id) => {
        await send(app.http, 'POST', '/baskets', { user_id })
        assert.equal(basketIn(await send(app.http, 'GET', `/baskets/${user_id}`)).user_id, user_id)
      }),
      { examples: [['x'.repeat(128)], [`..${'.'.repeat(126)}`], ['auth0|5f7c']] },
    )
  })

  test('of any other string is rejected in paths and bodies', async () => {
    const invalidId = fc.string({ unit: 'grapheme', minLength: 1 }).filter((id) => !allowed.test(id))
    await fc.assert(
      fc.asyncProperty(invalidId, async (user_id) => {
        assertProblem(
          await send(app.http, 'GET', `/baskets/${encodeURIComponent(user_id)}`),
          invalid('/user_id'),
        )
        assertProblem(await send(app.http, 'POST', '/baskets', { user_id }), invalid('/user_id'))
      }),
    )
  })
})

describe('a product id', () => {
  for (const product_id of [0, -1, 1.5, 99_999_999_999, 2_147_483_648, '1', true, null, [1], undefined])
    test(`of ${JSON.stringify(product_id)} in a body is rejected`, async () => {
      assertProblem(await add({ product_id, quantity: 1 }), invalid('/product_id'))
    })

  test('that is not a whole number in range is rejected in a path', async () => {
    for (const id of [
      '0',
      '-1',
      '1.5',
      '99999999999',
      '2147483648',
      'abc',
      '1e0',
      '01',
      '%00',
      '+1',
      '0x1',
      '%EF%BC%91',
      '1%2F..%2F1',
      '1%5c',
    ]) {
      const url = `${basket.url}/items/${id}`
      assertProblem(await send(app.http, 'PUT', url, { quantity: 1 }), invalid('/product_id'))
      assertProblem(await send(app.http, 'DELETE', url), invalid('/product_id'))
    }
  })

  test('of the maximum value is valid, so an unknown product gets 404', async () => {
    const unknown = { status: 404, code: 'product_not_found' }
    assertProblem(await add({ product_id: 2_147_483_647, quantity: 1 }), unknown)
  })
})

describe('a quantity', () => {
  test('that would be rounded is rejected by POST and PUT, as is such a product id', async () => {
    for (const number of [
      '1.0000000000000000001',
      '1e-400',
      '9007199254740993',
      '1e400',
      `1.${'0'.repeat(60_000)}1`,
    ]) {
      assertProblem(await add(`{"product_id": 1, "quantity": ${number}}`), invalid('/quantity'))
      assertProblem(await add(`{"product_id": ${number}, "quantity": 1}`), invalid('/product_id'))
      assertProblem(await set(`{"quantity": ${number}}`), invalid('/quantity'))
    }
  })

  for (const quantity of [-1, 1_000, 1.5, 1e100, '2', true, null, [1], {}, undefined])
    test(`of ${JSON.stringify(quantity)} is rejected by POST and PUT`, async () => {
      assertProblem(await add({ product_id: 1, quantity }), invalid('/quantity'))
      assertProblem(await set({ quantity }), invalid('/quantity'))
    })

  test('of 0 is rejected by POST, and makes PUT remove the line', async () => {
    assertProblem(await add({ product_id: 1, quantity: 0 }), invalid('/quantity'))
    const another = app.newUserBasket()
    await another.add(1, 1)
    assert.deepEqual(linesIn(await another.set(1, 0)), [])
  })

  test('of 1 to 999 is accepted by POST and PUT', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 999 }),
        fc.integer({ min: 1, max: 999 }),
        async (first, second) => {
          const another = app.newUserBasket()
          assert.deepEqual(linesIn(await another.add(1, first)), [[1, first]])
          assert.deepEqual(linesIn(await another.set(1, second)), [[1, second]])
        },
      ),
    )
  })

  test('of any other number is rejected by POST and PUT', async () => {
    const other = fc
      .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
      .filter((number) => !(Number.isInteger(number) && number >= 0 && number <= 999))
    await fc.assert(
      fc.asyncProperty(other, async (quantity) => {
        assertProblem(await add({ product_id: 1, quantity }), invalid('/quantity'))
        assertProblem(await set({ quantity }), invalid('/quantity'))
      }),
    )
  })
})

describe('a body', () => {
  test('that breaks several rules gets a response that lists every violation', async () => {
    assertProblem(await add({ product_id: 0, quantity: '2' }), invalid('/product_id', '/quantity'))
    assertProblem(await add({}), invalid('/product_id', '/quantity'))
  })

  const requests = [
    (body: string, headers?: Record<string, string>) => send(app.http, 'POST', '/baskets', body, headers),
    (body: string, headers?: Record<string, string>) =>
      send(app.http, 'POST', `${basket.url}/items`, body, headers),
    (body: string, headers?: Record<string, string>) =>
      send(app.http, 'PATCH', `${basket.url}/items`, body, headers),
    (body: string, headers?: Record<string, string>) =>
      send(app.http, 'PUT', `${basket.url}/items/1`, body, headers),
  ]

  test('that is not JSON is rejected', async () => {
    for (const body of ['{', '{"quantity":1,}', "{'quantity':1}", 'quantity=1', '{"quantity":NaN}', '\0'])
      for (const request of requests) assertProblem(await request(body), unreadable)
  })

  test('that is missing or not an object is rejected', async () => {
    for (const body of ['null', '[]', '"text"', '5', ''])
      for (const request of requests) assertProblem(await request(body), invalid(''))
  })

  test('whose media type is not JSON gets 415', async () => {
    const unsupported = { status: 415, code: 'unsupported_media_type' }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])
      for (const request of requests)
        assertProblem(await request('{"quantity":1}', { 'content-type': type }), unsupported)
  })

  test('of more than 64 KiB gets 413; exactly 64 KiB is accepted', async () => {
    const tooLarge = { status: 413, code: 'payload_too_large' }
    for (const request of requests) assertProblem(await request(padded(10_000_000)), tooLarge)
    assertProblem(await set(padded(65_537)), tooLarge)
    assert.deepEqual(linesIn(await set(padded(65_536))), [[1, 5]])
  })
})

test('an unknown path gets 404, and an unsupported method gets 405 with the supported methods in Allow', async () => {
  assertProblem(await send(app.http, 'GET', '/baskets/user123/nothing'), { status: 404, code: 'not_found' })
  for (const [method, url, allow] of [
    ['GET', `${basket.url}/items`, 'POST, PATCH, DELETE, OPTIONS'],
    ['PROPFIND', `${basket.url}/items`, 'POST, PATCH, DELETE, OPTIONS'],
    ['TRACE', basket.url, 'GET, HEAD, DELETE, OPTIONS'],
    ['QUERY', '/baskets', 'POST, OPTIONS'],
  ] as const) {
    const response = await send(app.http, method as 'GET', url)
    assertProblem(response, { status: 405, code: 'method_not_allowed' })
    assert.equal(response.headers['allow'], allow)
    const options = await app.http.inject({ method: 'OPTIONS', url })
    assert.deepEqual([options.statusCode, options.headers['allow']], [204, allow])
  }
  const options = await app.http.inject({ method: 'OPTIONS', url: '/nothing' })
  assertProblem(options, { status: 404, code: 'not_found' })
})
