import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, linesIn, notFound, openApp, send } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
  for (const id of [1, 2, 3]) app.catalog.products.set(id, aProduct({ id, stock: 100 }))
})
after(() => app[Symbol.asyncDispose]())

describe('POST /baskets', () => {
  test('creates an empty basket and answers 201 with its location', async () => {
    const basket = app.newUserBasket()
    const response = await basket.create()
    const { user_id, items, total, item_count, version } = basketIn(response, 201)
    assert.deepEqual(
      { user_id, items, total, item_count, version },
      { user_id: basket.userId, items: [], total: 0, item_count: 0, version: 1 },
    )
    assert.equal(response.headers['location'], basket.url)
    assert.deepEqual(basketIn(await basket.get()), response.json())
  })

  test('answers 200 with the existing basket, unchanged', async () => {
    const basket = app.newUserBasket()
    await basket.create()
    const filled = basketIn(await basket.add(1, 2))
    const second = await basket.create()
    assert.deepEqual(basketIn(second, 200), filled)
    assert.equal(second.headers['location'], undefined)
    assert.deepEqual(basketIn(await basket.get()), filled)
  })

  test('creates only one basket for concurrent requests', async () => {
    const basket = app.newUserBasket()
    const responses = await Promise.all(Array.from({ length: 20 }, () => basket.create()))
    assert.deepEqual(
      responses.map(({ statusCode }) => statusCode).toSorted((a, b) => b - a),
      [201, ...Array.from({ length: 19 }, () => 200)],
    )
    assert.equal(new Set(responses.map((response) => response.json().id)).size, 1)
  })
})

describe('GET /baskets/{user_id}', () => {
  test('answers 404 if there is no basket', async () =>
    assertProblem(await app.newUserBasket().get(), notFound))

  test('returns each line with its subtotal, and the exact total', async () => {
    const basket = app.newUserBasket()
    app.catalog.products.set(10, aProduct({ id: 10, name: 'Bag', price: 10n, category: '' }))
    await basket.add(1, 2)
    await basket.add(10, 3)
    const { items, total, item_count } = basketIn(await basket.get())
    assert.deepEqual(items, [
      { product_id: 1, name: '1984', price: 14.99, quantity: 2, subtotal: 29.98, category: 'Books' },
      { product_id: 10, name: 'Bag', price: 0.1, quantity: 3, subtotal: 0.3, category: '' },
    ])
    assert.deepEqual({ total, item_count }, { total: 30.28, item_count: 5 })
  })
})

describe('POST /baskets/{user_id}/items', () => {
  test('creates the basket if there is none', async () => {
    const basket = app.newUserBasket()
    const added = basketIn(await basket.add(1, 2))
    assert.equal(added.user_id, basket.userId)
    assert.equal(added.version, 1)
    assert.deepEqual(basketIn(await basket.get()), added)
  })

  test('increases the quantity of a product that is already in the basket', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 2)
    await basket.add(2, 1)
    assert.deepEqual(linesIn(await basket.add(1, 3)), [
      [1, 5],
      [2, 1],
    ])
  })

  test('applies each of 50 concurrent requests', async () => {
    const basket = app.newUserBasket()
    const responses = await Promise.all(Array.from({ length: 50 }, () => basket.add(1, 1)))
    for (const response of responses) basketIn(response)
    const { item_count, version } = basketIn(await basket.get())
    assert.deepEqual({ item_count, version }, { item_count: 50, version: 50 })
  })
})

describe('PUT /baskets/{user_id}/items/{product_id}', () => {
  test('sets the quantity of the line', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 5)
    await basket.add(2, 5)
    assert.deepEqual(linesIn(await basket.set(1, 2)), [
      [1, 2],
      [2, 5],
    ])
  })

  test('removes the line if the quantity is 0, and keeps an empty basket', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 5)
    assert.deepEqual(linesIn(await basket.set(1, 0)), [])
    assert.deepEqual(basketIn(await basket.get()).items, [])
  })

  test('answers 404 for any quantity if the line or the basket does not exist', async () => {
    const basket = app.newUserBasket()
    for (const quantity of [0, 1]) assertProblem(await basket.set(1, quantity), notFound)
    assertProblem(await basket.get(), notFound)
    await basket.add(2, 1)
    for (const quantity of [0, 1]) assertProblem(await basket.set(1, quantity), notFound)
    assert.deepEqual(linesIn(await basket.get()), [[2, 1]])
  })
})

describe('DELETE /baskets/{user_id}/items/{product_id}', () => {
  test('removes only the line in its path and ignores a body', async () => {
    const [basket, other] = [app.newUserBasket(), app.newUserBasket()]
    for (const id of [1, 2, 3]) {
      await basket.add(id, 1)
      await other.add(id, 1)
    }
    const removed = await send(app.http, 'DELETE', `${basket.url}/items/2`, {
      product_id: 3,
      user_id: other.userId,
    })
    assert.deepEqual(linesIn(removed), [
      [1, 1],
      [3, 1],
    ])
    assert.deepEqual(linesIn(await basket.get()), linesIn(removed))
    assert.equal(linesIn(await other.get()).length, 3)
  })

  test('answers 404 if the line or the basket does not exist', async () => {
    const basket = app.newUserBasket()
    assertProblem(await basket.remove(1), notFound)
    await basket.add(2, 1)
    assertProblem(await basket.remove(1), notFound)
    assert.deepEqual(linesIn(await basket.get()), [[2, 1]])
  })
})

describe('DELETE /baskets/{user_id}/items', () => {
  test('removes every line and keeps the basket', async () => {
    const basket = app.newUserBasket()
    const { id, created_at } = basketIn(await basket.add(1, 5))
    const cleared = basketIn(await basket.clear())
    assert.deepEqual(cleared.items, [])
    assert.deepEqual(
      { id: cleared.id, created_at: cleared.created_at, version: cleared.version, total: cleared.total },
      { id, created_at, version: 2, total: 0 },
    )
    assert.deepEqual(basketIn(await basket.get()), cleared)
  })

  test('answers 404 if there is no basket', async () =>
    assertProblem(await app.newUserBasket().clear(), notFound))
})

describe('DELETE /baskets/{user_id}', () => {
  test('deletes the basket and answers 204 without a body; a second DELETE gets 404', async () => {
    const basket = app.newUserBasket()
    const { id } = basketIn(await basket.add(1, 5))
    const deleted = await basket.delete()
    assert.equal(deleted.statusCode, 204)
    assert.equal(deleted.body, '')
    assertProblem(await basket.get(), notFound)
    assertProblem(await basket.delete(), notFound)
    assert.notEqual(basketIn(await basket.create(), 201).id, id)
  })
})

describe('unknown members of a body', () => {
  const unknown = { product_id: 3, productId: 3, user_id: 'other', userId: 'other', price: 0.01, name: 'x' }

  test('are ignored by PUT of an item, which takes the user and the product from its path', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 1)
    await basket.add(3, 1)
    const changed = await send(app.http, 'PUT', `${basket.url}/items/1`, { ...unknown, quantity: 7 })
    assert.deepEqual(linesIn(changed), [
      [1, 7],
      [3, 1],
    ])
    assert.equal(basketIn(changed).items[0]?.price, 14.99)
    assertProblem(await send(app.http, 'GET', '/baskets/other'), notFound)
  })

  test('are ignored by POST of an item, which takes the user from its path and the product from product_id', async () => {
    const basket = app.newUserBasket()
    const body = { ...unknown, product_id: 1, quantity: 7 }
    const added = basketIn(await send(app.http, 'POST', `${basket.url}/items`, body))
    assert.equal(added.user_id, basket.userId)
    assert.deepEqual(
      added.items.map(({ product_id, price, name }) => ({ product_id, price, name })),
      [{ product_id: 1, price: 14.99, name: '1984' }],
    )
    assertProblem(await send(app.http, 'GET', '/baskets/other'), notFound)
  })

  test('are ignored by POST of a basket', async () => {
    const basket = app.newUserBasket()
    const body = { ...unknown, user_id: basket.userId, items: [{ product_id: 1, quantity: 1 }], version: 9 }
    const { version, items } = basketIn(await send(app.http, 'POST', '/baskets', body), 201)
    assert.deepEqual({ version, items }, { version: 1, items: [] })
  })
})
