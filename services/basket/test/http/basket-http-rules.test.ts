import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, linesIn, openApp } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
})
after(() => app[Symbol.asyncDispose]())

/** Adds the product to the catalog, or replaces it. */
const putProduct = (...fields: Parameters<typeof aProduct>) => {
  const product = aProduct(...fields)
  app.catalog.products.set(product.id, product)
}

const insufficient = (available: number, requested: number) => ({
  status: 409,
  code: 'insufficient_stock',
  available,
  requested,
})

describe('stock', () => {
  test('is compared with the resulting quantity, and the response has both', async () => {
    putProduct({ id: 7, stock: 5 })
    const basket = app.newUserBasket()
    assertProblem(await basket.add(7, 6), insufficient(5, 6))
    assert.equal((await basket.get()).statusCode, 404, 'no basket is created')
    const stored = basketIn(await basket.add(7, 3))
    assertProblem(await basket.add(7, 3), insufficient(5, 6))
    assertProblem(await basket.set(7, 6), insufficient(5, 6))
    assert.deepEqual(basketIn(await basket.get()), stored)
    assert.deepEqual(linesIn(await basket.add(7, 2)), [[7, 5]])
  })

  test('of 0 rejects a single piece', async () => {
    putProduct({ id: 8, stock: 0 })
    assertProblem(await app.newUserBasket().add(8, 1), insufficient(0, 1))
  })

  test('is not exceeded by concurrent adds to a basket', async () => {
    putProduct({ id: 9, stock: 10 })
    const basket = app.newUserBasket()
    const responses = await Promise.all(Array.from({ length: 30 }, () => basket.add(9, 1)))
    assert.equal(responses.filter(({ statusCode }) => statusCode === 200).length, 10)
    assert.deepEqual(linesIn(await basket.get()), [[9, 10]])
  })
})

describe('a full basket', () => {
  test('rejects more than 999 pieces of a product', async () => {
    putProduct({ id: 1, stock: 100_000 })
    const basket = app.newUserBasket()
    const stored = basketIn(await basket.add(1, 999))
    assertProblem(await basket.add(1, 1), { status: 409, code: 'basket_full', requested: 1_000 })
    assert.deepEqual(basketIn(await basket.get()), stored)
  })

  test('rejects the 101st line, and accepts more pieces for the existing 100', async () => {
    const basket = app.newUserBasket()
    for (let id = 1_000; id < 1_101; id++) putProduct({ id })
    for (let id = 1_000; id < 1_100; id++) await basket.add(id, 1)
    assertProblem(await basket.add(1_100, 1), { status: 409, code: 'basket_full' })
    assert.equal(basketIn(await basket.add(1_000, 1)).item_count, 101)
    await basket.remove(1_050)
    assert.equal(basketIn(await basket.add(1_100, 1)).items.length, 100)
  })
})

test('a changed line takes the current name, price and category, and the other lines keep theirs', async () => {
  const basket = app.newUserBasket()
  putProduct({ id: 1, price: 1_000n })
  putProduct({ id: 2, price: 1_000n })
  await basket.add(1, 1)
  await basket.add(2, 1)
  const descriptions = async () =>
    basketIn(await basket.get()).items.map(({ name, price, category }) => `${name} ${price} ${category}`)

  for (const id of [1, 2]) putProduct({ id, name: 'Raised', price: 1_250n, category: 'Classics' })
  await basket.add(1, 1)
  assert.deepEqual(await descriptions(), ['Raised 12.5 Classics', '1984 10 Books'])
  assert.equal(basketIn(await basket.get()).total, 35)

  putProduct({ id: 1, name: 'Free', price: 0n, category: '' })
  await basket.set(1, 2)
  assert.deepEqual(await descriptions(), ['Free 0 ', '1984 10 Books'])
  await basket.remove(1)
  assert.deepEqual(await descriptions(), ['1984 10 Books'])
})

test('an unknown product gets 404 product_not_found and leaves the basket unchanged', async () => {
  const unknown = { status: 404, code: 'product_not_found' }
  const basket = app.newUserBasket()
  putProduct({ id: 1 })
  assertProblem(await basket.add(404, 1), unknown)
  assert.equal((await basket.get()).statusCode, 404, 'no basket is created')
  const stored = basketIn(await basket.add(1, 1))
  app.catalog.products.delete(1)
  assertProblem(await basket.add(1, 1), unknown)
  assertProblem(await basket.set(1, 2), unknown)
  assert.deepEqual(basketIn(await basket.get()), stored)
})

describe('while the product service is down', () => {
  afterEach(() => {
    app.catalog.down = false
  })

  const unavailable = { status: 503, code: 'unavailable' }

  test('adding, or setting a quantity above 0, gets 503 with Retry-After and leaves the basket unchanged', async () => {
    const [basket, missing] = [app.newUserBasket(), app.newUserBasket()]
    putProduct({ id: 1 })
    const stored = basketIn(await basket.add(1, 1))
    app.catalog.down = true
    assertProblem(await basket.add(1, 1), unavailable)
    assertProblem(await basket.set(1, 2), unavailable)
    assertProblem(await missing.add(1, 1), unavailable)
    assert.deepEqual(basketIn(await basket.get()), stored)
    assert.equal((await missing.get()).statusCode, 404)
  })

  test('a basket can still be created, read, cleared and deleted, and lines can be removed', async () => {
    const basket = app.newUserBasket()
    for (const id of [1, 2, 3]) {
      putProduct({ id })
      await basket.add(id, 1)
    }
    app.catalog.down = true
    basketIn(await app.newUserBasket().create(), 201)
    assert.equal(linesIn(await basket.get()).length, 3)
    assert.equal(linesIn(await basket.set(1, 0)).length, 2)
    assert.equal(linesIn(await basket.remove(2)).length, 1)
    assert.equal(linesIn(await basket.clear()).length, 0)
    assert.equal((await basket.delete()).statusCode, 204)
  })
})
