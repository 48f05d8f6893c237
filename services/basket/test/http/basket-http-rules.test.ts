import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, linesIn, openApp } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
})
after(() => app[Symbol.asyncDispose]())

/** Puts the product on sale, or changes it. */
const offer = (...fields: Parameters<typeof aProduct>) => {
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
  test('is compared with the quantity that would result, and the refusal names both', async () => {
    offer({ id: 7, stock: 5 })
    const basket = app.someone()
    assertProblem(await basket.add(7, 6), insufficient(5, 6))
    assert.equal((await basket.get()).statusCode, 404, 'no basket is made')
    const stored = basketIn(await basket.add(7, 3))
    assertProblem(await basket.add(7, 3), insufficient(5, 6))
    assertProblem(await basket.set(7, 6), insufficient(5, 6))
    assert.deepEqual(basketIn(await basket.get()), stored)
    assert.deepEqual(linesIn(await basket.add(7, 2)), [[7, 5]])
  })

  test('that is used up refuses one', async () => {
    offer({ id: 8, stock: 0 })
    assertProblem(await app.someone().add(8, 1), insufficient(0, 1))
  })

  test('holds against many at once: no more than there is gets into the basket', async () => {
    offer({ id: 9, stock: 10 })
    const basket = app.someone()
    const responses = await Promise.all(Array.from({ length: 30 }, () => basket.add(9, 1)))
    assert.equal(responses.filter(({ statusCode }) => statusCode === 200).length, 10)
    assert.deepEqual(linesIn(await basket.get()), [[9, 10]])
  })
})

describe('a full basket', () => {
  test('refuses more than 999 of a product', async () => {
    offer({ id: 1, stock: 100_000 })
    const basket = app.someone()
    const stored = basketIn(await basket.add(1, 999))
    assertProblem(await basket.add(1, 1), { status: 409, code: 'basket_full', requested: 1_000 })
    assert.deepEqual(basketIn(await basket.get()), stored)
  })

  test('refuses the 101st line, and takes more of the 100 that are there', async () => {
    const basket = app.someone()
    for (let id = 1_000; id < 1_101; id++) offer({ id })
    for (let id = 1_000; id < 1_100; id++) await basket.add(id, 1)
    assertProblem(await basket.add(1_100, 1), { status: 409, code: 'basket_full' })
    assert.equal(basketIn(await basket.add(1_000, 1)).item_count, 101)
    await basket.remove(1_050)
    assert.equal(basketIn(await basket.add(1_100, 1)).items.length, 100)
  })
})

test('a line has the name, price and category of its last add or change, and other lines keep theirs', async () => {
  const basket = app.someone()
  offer({ id: 1, price: 1_000n })
  offer({ id: 2, price: 1_000n })
  await basket.add(1, 1)
  await basket.add(2, 1)
  const shown = async () =>
    basketIn(await basket.get()).items.map(({ name, price, category }) => `${name} ${price} ${category}`)

  for (const id of [1, 2]) offer({ id, name: 'Dearer', price: 1_250n, category: 'Classics' })
  await basket.add(1, 1)
  assert.deepEqual(await shown(), ['Dearer 12.5 Classics', '1984 10 Books'])
  assert.equal(basketIn(await basket.get()).total, 35)

  offer({ id: 1, name: 'Free', price: 0n, category: '' })
  await basket.set(1, 2)
  assert.deepEqual(await shown(), ['Free 0 ', '1984 10 Books'])
  await basket.remove(1)
  assert.deepEqual(await shown(), ['1984 10 Books'])
})

test('a product that is unknown is 404 product_not_found, and the basket is unchanged', async () => {
  const unknown = { status: 404, code: 'product_not_found' }
  const basket = app.someone()
  offer({ id: 1 })
  assertProblem(await basket.add(404, 1), unknown)
  assert.equal((await basket.get()).statusCode, 404, 'no basket is made')
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

  test('to add, or to set to more than 0, is 503 with Retry-After and leaves the basket as it is', async () => {
    const [basket, none] = [app.someone(), app.someone()]
    offer({ id: 1 })
    const stored = basketIn(await basket.add(1, 1))
    app.catalog.down = true
    assertProblem(await basket.add(1, 1), unavailable)
    assertProblem(await basket.set(1, 2), unavailable)
    assertProblem(await none.add(1, 1), unavailable)
    assert.deepEqual(basketIn(await basket.get()), stored)
    assert.equal((await none.get()).statusCode, 404)
  })

  test('all else works: to make, read, reduce to 0, remove, clear and delete', async () => {
    const basket = app.someone()
    for (const id of [1, 2, 3]) {
      offer({ id })
      await basket.add(id, 1)
    }
    app.catalog.down = true
    basketIn(await app.someone().create(), 201)
    assert.equal(linesIn(await basket.get()).length, 3)
    assert.equal(linesIn(await basket.set(1, 0)).length, 2)
    assert.equal(linesIn(await basket.remove(2)).length, 1)
    assert.equal(linesIn(await basket.clear()).length, 0)
    assert.equal((await basket.delete()).statusCode, 204)
  })
})
