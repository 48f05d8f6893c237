import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, itemsOf, linesIn, openApp, send } from '../support/http.ts'

let app: App
let basket: ReturnType<App['newUserBasket']>
before(async () => {
  app = await openApp()
  for (let id = 1; id <= 101; id++) app.catalog.products.set(id, aProduct({ id }))
  basket = app.newUserBasket()
  await basket.add(1, 5)
})
after(async () => {
  const stored = basketIn(await basket.get())
  const { lookUps } = app.catalog
  await app[Symbol.asyncDispose]()
  assert.deepEqual([stored.version, stored.item_count], [1, 5], 'a rejected request changes nothing')
  assert.equal(lookUps, 1, 'a rejected request looks up nothing')
})

const invalid = (...paths: string[]) => ({ status: 400, code: 'invalid', paths })

const add = (body: unknown) => send(app.http, 'POST', `${basket.url}/items`, body)
const set = (body: unknown) => send(app.http, 'PATCH', `${basket.url}/items`, body)

const assertInvalid = async (body: unknown, ...paths: string[]) => {
  for (const request of [add, set]) assertProblem(await request(body), invalid(...paths))
}

const hundred = Array.from({ length: 100 }, (_, index) => ({ product_id: index + 1, quantity: 1 }))

describe('items', () => {
  test('are at least 1 and at most 100, and the refusal says so', async () => {
    await assertInvalid({ items: [] }, '/items')
    assert.equal((await add({ items: [] })).json().detail, 'items must not be empty')
    await assertInvalid({ items: [...hundred, { product_id: 101, quantity: 1 }] }, '/items')
    const tooMany = await set({ items: [...hundred, { product_id: 101, quantity: 1 }] })
    assert.equal(tooMany.json().detail, 'items must have at most 100 items')
  })

  for (const items of [null, 'items', 1, true, {}, { 0: { product_id: 1, quantity: 1 }, length: 1 }])
    test(`that are ${JSON.stringify(items)} are rejected`, () => assertInvalid({ items }, '/items'))

  for (const item of [null, 1, '1', true, [], [1, 2], [[1, 2]]])
    test(`with ${JSON.stringify(item)} among them are rejected`, () =>
      assertInvalid({ items: [{ product_id: 1, quantity: 1 }, item] }, '/items/1'))

  test('without a member are rejected, and every violation is listed', async () => {
    const items = [{ product_id: 1 }, { quantity: 1 }, {}, { product_id: '1', quantity: null }]
    await assertInvalid(
      { items },
      '/items/0/quantity',
      '/items/1/product_id',
      '/items/2/product_id',
      '/items/2/quantity',
      '/items/3/product_id',
      '/items/3/quantity',
    )
  })

  for (const product_id of [0, -1, 1.5, 2_147_483_648, '1', true, null, [1], {}, undefined])
    test(`with the product id ${JSON.stringify(product_id)} are rejected`, () =>
      assertInvalid({ items: [{ product_id, quantity: 1 }] }, '/items/0/product_id'))

  for (const quantity of [-1, 1_000, 1.5, 1e100, '2', true, null, [1], {}, undefined])
    test(`with the quantity ${JSON.stringify(quantity)} are rejected`, () =>
      assertInvalid({ items: [{ product_id: 1, quantity }] }, '/items/0/quantity'))

  test('with the quantity 0 are rejected by POST alone', async () => {
    assertProblem(await add(itemsOf([[1, 0]])), invalid('/items/0/quantity'))
    const another = app.newUserBasket()
    assert.deepEqual(linesIn(await another.setSeveral([[1, 0]])), [])
  })

  test('with a number that would be rounded are rejected', async () => {
    for (const number of ['1.0000000000000000001', '1e-400', '9007199254740993', '1e400']) {
      await assertInvalid(`{"items":[{"product_id":1,"quantity":${number}}]}`, '/items/0/quantity')
      await assertInvalid(`{"items":[{"product_id":${number},"quantity":1}]}`, '/items/0/product_id')
    }
  })

  test('with the same product twice are rejected, and the refusal names the repetitions', async () => {
    const items = itemsOf([
      [1, 1],
      [2, 1],
      [1, 1],
      [2, 5],
      [1, 1],
    ])
    const paths = ['/items/2/product_id', '/items/3/product_id', '/items/4/product_id']
    await assertInvalid(items, ...paths)
    assert.equal(
      (await add(items)).json().detail,
      'items/2/product_id is also that of items/0; items/3/product_id is also that of items/1; items/4/product_id is also that of items/0',
    )
    await assertInvalid(
      itemsOf([
        [1, 1],
        [1, 1],
      ]),
      '/items/1/product_id',
    )
  })

  test('that repeat a product with 0 are rejected too', async () => {
    const items = itemsOf([
      [1, 0],
      [1, 1],
    ])
    assertProblem(await set(items), invalid('/items/1/product_id'))
  })
})

describe('the body of POST', () => {
  test('has either items or one item', async () => {
    const items = [{ product_id: 1, quantity: 1 }]
    assertProblem(await add({ items, product_id: 1, quantity: 1 }), invalid('/product_id', '/quantity'))
    assertProblem(await add({ items, product_id: 1 }), invalid('/product_id'))
    const mixed = await add({ items, quantity: 1 })
    assertProblem(mixed, invalid('/quantity'))
    assert.equal(mixed.json().detail, 'quantity must not be together with items')
  })

  test('says what is missing of one item, as if there were no items', async () => {
    for (const [body, paths] of [
      [{}, ['/product_id', '/quantity']],
      [{ product_id: 0 }, ['/quantity', '/product_id']],
      [{ quantity: 'x' }, ['/product_id', '/quantity']],
      [{ item: [] }, ['/product_id', '/quantity']],
    ] as const)
      assertProblem(await add(body), invalid(...paths))
    assert.equal((await add({})).json().detail, 'product_id is required; quantity is required')
    const wrong = (await add({ product_id: 0 })).json()
    assert.equal(wrong.detail, 'quantity is required; product_id must be at least 1')
  })
})

describe('the body of PATCH', () => {
  test('has items', async () => {
    for (const body of [{}, { product_id: 1, quantity: 1 }, { item: [] }])
      assertProblem(await set(body), invalid('/items'))
    assert.equal((await set({})).json().detail, 'items is required')
  })

  test('is JSON of the media type of JSON, and other types are named', async () => {
    for (const type of ['application/merge-patch+json', 'application/json-patch+json', 'text/plain']) {
      const headers = { 'content-type': type }
      const response = await send(app.http, 'PATCH', `${basket.url}/items`, itemsOf([[1, 1]]), headers)
      assertProblem(response, { status: 415, code: 'unsupported_media_type' })
      assert.equal(response.headers['accept-patch'], 'application/json')
    }
  })

  test('is not taken by the path of one item', async () => {
    const response = await send(app.http, 'PATCH', `${basket.url}/items/1`, itemsOf([[1, 1]]))
    assertProblem(response, { status: 405, code: 'method_not_allowed' })
    assert.equal(response.headers['allow'], 'PUT, DELETE, OPTIONS')
  })
})

test('deeply nested nonsense is rejected', async () => {
  for (const depth of [100, 8_000]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`
    await assertInvalid(`{"items":${nested}}`, '/items/0')
    await assertInvalid(`{"items":[{"product_id":${nested},"quantity":1}]}`, '/items/0/product_id')
    const objects = `${'{"items":'.repeat(depth / 20)}[]${'}'.repeat(depth / 20)}`
    await assertInvalid(objects, '/items')
  }
})

test('of thousands of violations, twenty are listed', async () => {
  const response = await add(`{"items":[${'0,'.repeat(32_000)}0]}`)
  assert.equal(response.statusCode, 400)
  assert.equal(response.json().errors.length, 20)
})

test('any other value of items is rejected', async () => {
  const isItem = (value: unknown) =>
    typeof value === 'object' && value !== null && 'product_id' in value && 'quantity' in value
  const junk = fc.jsonValue().filter((value) => !(Array.isArray(value) && value.every(isItem)))
  await fc.assert(
    fc.asyncProperty(junk, async (items) => {
      for (const request of [add, set]) {
        const response = await request({ items })
        assert.equal(response.statusCode, 400)
        for (const { path } of response.json().errors) assert.match(path, /^\/items/)
      }
    }),
    { numRuns: 200, examples: [[[]]] },
  )
})
