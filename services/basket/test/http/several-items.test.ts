import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { createGuest, unknownGuest } from '../support/guests.ts'
import {
  type App,
  assertProblem,
  basketIn,
  basketOf,
  type Items,
  itemsOf,
  linesIn,
  notFound,
  openApp,
  send,
} from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
  for (let id = 1; id <= 200; id++) app.catalog.products.set(id, aProduct({ id, stock: 100 }))
})
after(() => app[Symbol.asyncDispose]())
afterEach(() => {
  app.catalog.down = false
})

const idsFrom = (first: number, count: number): Items =>
  Array.from({ length: count }, (_, index) => [first + index, 1] as const)

describe('POST /baskets/{user_id}/items with items', () => {
  test('adds several products by one write, and creates the basket if there is none', async () => {
    const basket = app.newUserBasket()
    const response = await basket.addSeveral([
      [3, 2],
      [1, 5],
    ])
    assert.deepEqual(linesIn(response), [
      [3, 2],
      [1, 5],
    ])
    assert.equal(basketIn(response).version, 1)
    assert.deepEqual(basketIn(await basket.get()), basketIn(response))
  })

  test('increases the quantities of products that are already in the basket', async () => {
    const basket = app.newUserBasket()
    await basket.add(2, 1)
    const response = await basket.addSeveral([
      [1, 1],
      [2, 3],
    ])
    assert.deepEqual(linesIn(response), [
      [2, 4],
      [1, 1],
    ])
    assert.equal(basketIn(response).version, 2)
  })

  test('takes up to 100 items', async () => {
    const basket = app.newUserBasket()
    assert.equal(linesIn(await basket.addSeveral(idsFrom(1, 100))).length, 100)
    assert.equal(basketIn(await basket.addSeveral(idsFrom(1, 100))).item_count, 200)
  })

  test('applies each of 50 concurrent requests', async () => {
    const basket = app.newUserBasket()
    const items = [
      [1, 1],
      [2, 2],
    ] as const
    const responses = await Promise.all(Array.from({ length: 50 }, () => basket.addSeveral(items)))
    for (const response of responses) basketIn(response)
    const stored = basketIn(await basket.get())
    assert.equal(stored.version, 50)
    assert.deepEqual(linesIn(await basket.get()), [
      [1, 50],
      [2, 100],
    ])
  })
})

describe('PATCH /baskets/{user_id}/items', () => {
  test('sets quantities, adds what is missing and removes what has 0, by one write', async () => {
    const basket = app.newUserBasket()
    await basket.addSeveral([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    const { lookUps } = app.catalog
    const response = await basket.setSeveral([
      [4, 4],
      [1, 9],
      [2, 0],
      [5, 0],
    ])
    assert.deepEqual(linesIn(response), [
      [1, 9],
      [3, 3],
      [4, 4],
    ])
    assert.equal(basketIn(response).version, 2)
    assert.equal(app.catalog.lookUps, lookUps + 2, 'what has 0 needs no product')
  })

  test('creates the basket if there is none, also with nothing in it', async () => {
    const [basket, empty] = [app.newUserBasket(), app.newUserBasket()]
    const created = basketIn(
      await basket.setSeveral([
        [1, 2],
        [2, 0],
      ]),
    )
    assert.deepEqual([created.version, created.items.length], [1, 1])
    const { version, items } = basketIn(await empty.setSeveral([[1, 0]]))
    assert.deepEqual([version, items], [1, []])
    assert.equal((await empty.get()).statusCode, 200)
  })

  test('is idempotent but for the version and the times', async () => {
    const basket = app.newUserBasket()
    const items = [
      [1, 2],
      [2, 0],
    ] as const
    const [first, second] = [
      basketIn(await basket.setSeveral(items)),
      basketIn(await basket.setSeveral(items)),
    ]
    assert.deepEqual(second.items, first.items)
    assert.deepEqual([first.version, second.version], [1, 2])
  })

  test('makes room for new lines in a full basket, in whatever order the items are', async () => {
    const basket = app.newUserBasket()
    await basket.addSeveral(idsFrom(1, 100))
    const changed = await basket.setSeveral([
      [101, 1],
      [1, 0],
      [102, 1],
      [2, 0],
    ])
    assert.equal(linesIn(changed).length, 100)
    assert.deepEqual(linesIn(changed).slice(-2), [
      [101, 1],
      [102, 1],
    ])
    assertProblem(
      await basket.setSeveral([
        [103, 1],
        [3, 0],
        [104, 1],
      ]),
      { status: 409, code: 'basket_full', refusals: [{ path: '/items/2', code: 'basket_full' }] },
    )
  })

  test('takes the current name, price and category for each line that it sets', async () => {
    const basket = app.newUserBasket()
    app.catalog.products.set(301, aProduct({ id: 301, price: 100n }))
    app.catalog.products.set(302, aProduct({ id: 302, price: 100n }))
    await basket.addSeveral([
      [301, 1],
      [302, 1],
    ])
    for (const id of [301, 302]) app.catalog.products.set(id, aProduct({ id, price: 250n, name: 'Raised' }))
    const { items, total } = basketIn(await basket.setSeveral([[301, 1]]))
    assert.deepEqual(
      items.map(({ name, price }) => [name, price]),
      [
        ['Raised', 2.5],
        ['1984', 1],
      ],
    )
    assert.equal(total, 3.5)
  })
})

describe('if any of several lines is refused', () => {
  test('none counts, and the problem is that of the first, with all of them in errors', async () => {
    app.catalog.products.set(401, aProduct({ id: 401, stock: 3 }))
    app.catalog.products.set(402, aProduct({ id: 402, stock: 5_000 }))
    const basket = app.newUserBasket()
    await basket.addSeveral([
      [401, 2],
      [402, 1],
    ])
    const stored = basketIn(await basket.get())
    const items = [
      [1, 1],
      [401, 4],
      [999, 2],
      [402, 999],
    ] as const
    const unknown = { path: '/items/2', code: 'product_not_found' }
    const added = await basket.addSeveral(items)
    assertProblem(added, {
      status: 409,
      code: 'insufficient_stock',
      available: 3,
      requested: 6,
      refusals: [
        { path: '/items/1', code: 'insufficient_stock', available: 3, requested: 6 },
        unknown,
        { path: '/items/3', code: 'basket_full', requested: 1_000 },
      ],
    })
    assert.equal(
      added.json().detail,
      'items/1: only 3 of product 401 are in stock; items/2: product 999 not found; items/3: a basket can hold at most 999 of one product',
    )
    const set = await basket.setSeveral(items)
    assertProblem(set, {
      status: 409,
      code: 'insufficient_stock',
      available: 3,
      requested: 4,
      refusals: [{ path: '/items/1', code: 'insufficient_stock', available: 3, requested: 4 }, unknown],
    })
    assert.deepEqual(basketIn(await basket.get()), stored)
  })

  test('the status is that of the first, and no basket is created', async () => {
    const basket = app.newUserBasket()
    const refusals = [
      { path: '/items/0', code: 'product_not_found' },
      { path: '/items/1', code: 'insufficient_stock', available: 100, requested: 101 },
    ]
    for (const request of [basket.addSeveral, basket.setSeveral])
      assertProblem(
        await request([
          [999, 1],
          [1, 101],
        ]),
        { status: 404, code: 'product_not_found', refusals },
      )
    assertProblem(await basket.get(), notFound)
  })

  test('each of 100 is in errors', async () => {
    const basket = app.newUserBasket()
    const response = await basket.addSeveral(idsFrom(1_000, 100))
    const refusals = Array.from({ length: 100 }, (_, index) => ({
      path: `/items/${index}`,
      code: 'product_not_found',
    }))
    assertProblem(response, { status: 404, code: 'product_not_found', refusals })
  })

  test('a single item in items is refused in the same way', async () => {
    const basket = app.newUserBasket()
    assertProblem(await basket.addSeveral([[999, 1]]), {
      status: 404,
      code: 'product_not_found',
      refusals: [{ path: '/items/0', code: 'product_not_found' }],
    })
    const { errors } = (await basket.add(999, 1)).json()
    assert.equal(errors, undefined, 'one item by itself has no errors')
  })
})

describe('while the product service is down', () => {
  const unavailable = { status: 503, code: 'unavailable' }

  test('adding several, or setting any quantity above 0, gets 503 and changes nothing', async () => {
    const [basket, missing] = [app.newUserBasket(), app.newUserBasket()]
    const stored = basketIn(await basket.addSeveral([[1, 1]]))
    app.catalog.down = true
    for (const { addSeveral, setSeveral } of [basket, missing]) {
      assertProblem(await addSeveral([[1, 1]]), unavailable)
      assertProblem(
        await setSeveral([
          [1, 0],
          [2, 1],
        ]),
        unavailable,
      )
    }
    assert.deepEqual(basketIn(await basket.get()), stored)
    assertProblem(await missing.get(), notFound)
  })

  test('several lines can be removed, without a look-up', async () => {
    const basket = app.newUserBasket()
    await basket.addSeveral(idsFrom(1, 3))
    app.catalog.down = true
    const { lookUps } = app.catalog
    const removed = await basket.setSeveral([
      [1, 0],
      [3, 0],
      [999, 0],
    ])
    assert.deepEqual(linesIn(removed), [[2, 1]])
    assert.equal(app.catalog.lookUps, lookUps)
  })

  test('a repeated write with its key succeeds', async () => {
    const basket = app.newUserBasket()
    const items = [
      [1, 2],
      [2, 0],
    ] as const
    const requests = {
      add: () => basket.addSeveral([[1, 2]], { 'idempotency-key': 'add' }),
      set: () => basket.setSeveral(items, { 'idempotency-key': 'set' }),
    }
    await requests.add()
    const last = await requests.set()
    app.catalog.down = true
    for (const again of Object.values(requests)) {
      const retry = await again()
      assert.deepEqual([retry.body, retry.headers['idempotent-replayed']], [last.body, 'true'])
    }
    assertProblem(await basket.addSeveral([[1, 3]], { 'idempotency-key': 'add' }), {
      status: 422,
      code: 'idempotency_key_reused',
    })
  })
})

describe('guests', () => {
  test('add and set several, and unknown guests do not exist', async () => {
    const basket = basketOf(app.http, await createGuest(app.http))
    assert.deepEqual(linesIn(await basket.addSeveral([[1, 2]])), [[1, 2]])
    assert.deepEqual(linesIn(await basket.setSeveral([[2, 1]])), [
      [1, 2],
      [2, 1],
    ])
    const { lookUps } = app.catalog
    const stranger = basketOf(app.http, unknownGuest())
    for (const quantity of [0, 1])
      assert.equal((await stranger.setSeveral([[1, quantity]])).json().detail, 'basket not found')
    assert.equal((await stranger.addSeveral([[1, 1]])).statusCode, 404)
    assert.equal(app.catalog.lookUps, lookUps)
  })
})

test('unknown members of items are ignored, and cannot pollute prototypes', async () => {
  const another = app.newUserBasket()
  const item = '"product_id": 1, "quantity": 2, "price": 0.01, "name": "x", "__proto__": { "quantity": 9 }'
  for (const method of ['POST', 'PATCH'] as const) {
    const body = `{ "items": [{ ${item} }], "user_id": "other", "constructor": { "prototype": { "x": 1 } } }`
    const [line] = basketIn(await send(app.http, method, `${another.url}/items`, body)).items
    assert.deepEqual([line?.name, line?.price], ['1984', 14.99])
  }
  assert.equal(Reflect.get({}, 'x'), undefined)
})

test('a slash at the end of the path is ignored by POST and PATCH', async () => {
  const basket = app.newUserBasket()
  for (const method of ['POST', 'PATCH'] as const) {
    const response = await send(app.http, method, `${basket.url}/items/`, itemsOf([[1, 1]]))
    assert.deepEqual(linesIn(response), [[1, 1]])
    await basket.delete()
  }
})
