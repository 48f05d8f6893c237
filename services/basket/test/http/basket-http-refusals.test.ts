import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, linesIn, openApp, send } from '../support/http.ts'

let app: App
let basket: ReturnType<App['someone']>
before(async () => {
  app = await openApp()
  app.catalog.products.set(1, aProduct({ stock: 2_147_483_647 }))
  basket = app.someone()
  await basket.add(1, 5)
})
after(async () => {
  const lines = linesIn(await basket.get())
  await app[Symbol.asyncDispose]()
  assert.deepEqual(lines, [[1, 5]], 'what is refused changes nothing')
})

const invalid = (...paths: string[]) => ({ status: 400, code: 'invalid', paths })
const unreadable = { status: 400, code: 'invalid' }

const add = (body: unknown) => send(app.http, 'POST', `${basket.url}/items`, body)
const set = (body: unknown) => send(app.http, 'PUT', `${basket.url}/items/1`, body)

/** What each route answers to this text in the place of the user id. */
const everyRoute = (user: string) => [
  send(app.http, 'GET', `/baskets/${user}`),
  send(app.http, 'POST', `/baskets/${user}/items`, { product_id: 1, quantity: 1 }),
  send(app.http, 'PUT', `/baskets/${user}/items/1`, { quantity: 1 }),
  send(app.http, 'DELETE', `/baskets/${user}/items/1`),
  send(app.http, 'DELETE', `/baskets/${user}/items`),
  send(app.http, 'DELETE', `/baskets/${user}`),
]

const padded = (bytes: number) => '{"quantity":5}'.padEnd(bytes)

const allowed = /^[A-Za-z0-9._:@-]{1,128}$/

test('a product id that is empty is none, and not all of them', async () => {
  for (const path of ['/items/', '/items/?x=1', '/'])
    assertProblem(await send(app.http, 'DELETE', basket.url + path), { status: 404, code: 'not_found' })
})

describe('a user id', () => {
  const bad = ['%00', 'a%00', 'a%2Fb', 'a%20b', '%0A', 'user%0A', 'caf%C3%A9', 'a%23', 'a*', 'x'.repeat(129)]
  for (const user of bad)
    test(`of ${user.slice(0, 20)} is refused by every route`, async () => {
      for (const response of everyRoute(user)) assertProblem(await response, invalid('/user_id'))
    })

  test('that is empty is refused by every route that can be named with it', async () => {
    const [, ...inside] = everyRoute('')
    for (const response of inside.slice(0, -1)) assertProblem(await response, invalid('/user_id'))
    assertProblem(await send(app.http, 'GET', '/baskets/'), { status: 405, code: 'method_not_allowed' })
  })

  test('that is not even text is refused', async () => {
    for (const user of ['%ff', '%', '%c0%80', '%zz'])
      for (const response of everyRoute(user)) assertProblem(await response, unreadable)
  })

  test('in a body is refused by the same rule, and when it is no text or missing', async () => {
    const junk = [
      '',
      'a/b',
      'a\0',
      '\ud800',
      'x'.repeat(129),
      'a b',
      5,
      true,
      null,
      {},
      ['user123'],
      undefined,
    ]
    for (const user_id of junk)
      assertProblem(await send(app.http, 'POST', '/baskets', { user_id }), invalid('/user_id'))
  })

  test('of 1 to 128 of the allowed characters is taken by path and body alike', async () => {
    // `.` and `..` are taken too, but clients resolve them as relative paths before they send anything.
    const userId = fc.stringMatching(allowed).filter((id) => !/^\.\.?$/.test(id))
    await fc.assert(
      fc.asyncProperty(userId, async (user_id) => {
        await send(app.http, 'POST', '/baskets', { user_id })
        assert.equal(basketIn(await send(app.http, 'GET', `/baskets/${user_id}`)).user_id, user_id)
      }),
    )
  })

  test('of anything else is refused', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((id) => !allowed.test(id))
    await fc.assert(
      fc.asyncProperty(text, async (user_id) => {
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
    test(`of ${JSON.stringify(product_id)} in a body is refused`, async () => {
      assertProblem(await add({ product_id, quantity: 1 }), invalid('/product_id'))
    })

  test('that is no whole number in range is refused in a path', async () => {
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
    ]) {
      const url = `${basket.url}/items/${id}`
      assertProblem(await send(app.http, 'PUT', url, { quantity: 1 }), invalid('/product_id'))
      assertProblem(await send(app.http, 'DELETE', url), invalid('/product_id'))
    }
  })

  test('of the largest kind is no other product', async () => {
    const unknown = { status: 404, code: 'product_not_found' }
    assertProblem(await add({ product_id: 2_147_483_647, quantity: 1 }), unknown)
  })
})

describe('a quantity', () => {
  for (const quantity of [-1, 1_000, 1.5, 1e100, '2', true, null, [1], {}, undefined])
    test(`of ${JSON.stringify(quantity)} is refused by POST and PUT`, async () => {
      assertProblem(await add({ product_id: 1, quantity }), invalid('/quantity'))
      assertProblem(await set({ quantity }), invalid('/quantity'))
    })

  test('of 0 is refused by POST alone: PUT removes the line', async () => {
    assertProblem(await add({ product_id: 1, quantity: 0 }), invalid('/quantity'))
    const another = app.someone()
    await another.add(1, 1)
    assert.deepEqual(linesIn(await another.set(1, 0)), [])
  })

  test('of 1 to 999 is taken by POST and PUT', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 999 }),
        fc.integer({ min: 1, max: 999 }),
        async (one, two) => {
          const another = app.someone()
          assert.deepEqual(linesIn(await another.add(1, one)), [[1, one]])
          assert.deepEqual(linesIn(await another.set(1, two)), [[1, two]])
        },
      ),
    )
  })

  test('of any other number is refused by POST and PUT', async () => {
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
  test('that breaks several rules has each of them named', async () => {
    assertProblem(await add({ product_id: 0, quantity: '2' }), invalid('/product_id', '/quantity'))
    assertProblem(await add({}), invalid('/product_id', '/quantity'))
  })

  const requests = [
    (body: string, headers?: Record<string, string>) => send(app.http, 'POST', '/baskets', body, headers),
    (body: string, headers?: Record<string, string>) =>
      send(app.http, 'POST', `${basket.url}/items`, body, headers),
    (body: string, headers?: Record<string, string>) =>
      send(app.http, 'PUT', `${basket.url}/items/1`, body, headers),
  ]

  test('that is no JSON is refused', async () => {
    for (const body of ['{', '{"quantity":1,}', "{'quantity':1}", 'quantity=1', '{"quantity":NaN}', '\0'])
      for (const request of requests) assertProblem(await request(body), unreadable)
  })

  test('that is no object, or missing, is refused', async () => {
    for (const body of ['null', '[]', '"text"', '5', ''])
      for (const request of requests) assertProblem(await request(body), invalid(''))
  })

  test('of another media type is 415', async () => {
    const unsupported = { status: 415, code: 'unsupported_media_type' }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])
      for (const request of requests)
        assertProblem(await request('{"quantity":1}', { 'content-type': type }), unsupported)
  })

  test('of 10 MB is 413, and one of 64 KiB is read', async () => {
    const tooLarge = { status: 413, code: 'payload_too_large' }
    for (const request of requests) assertProblem(await request(padded(10_000_000)), tooLarge)
    assertProblem(await set(padded(65_537)), tooLarge)
    assert.deepEqual(linesIn(await set(padded(65_536))), [[1, 5]])
  })
})

test('an unknown path is 404, and a method that a path lacks 405 with those it has', async () => {
  assertProblem(await send(app.http, 'GET', '/baskets/user123/nothing'), { status: 404, code: 'not_found' })
  const lacking = await send(app.http, 'GET', `${basket.url}/items`)
  assertProblem(lacking, { status: 405, code: 'method_not_allowed' })
  assert.deepEqual(String(lacking.headers['allow']).split(', ').toSorted(), ['DELETE', 'POST'])
})
