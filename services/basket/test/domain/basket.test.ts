import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import {
  type Basket,
  nextVersion,
  pieceCount,
  total,
  withMore,
  withoutLine,
  withoutLines,
  withQuantity,
} from '../../src/domain/basket.ts'
import { aBasket, aProduct, coded } from '../support/baskets.ts'
import { apply, performOn, randomOperation } from '../support/reference.ts'

/** A basket with so many different products, apart from those of the random operations. */
const filled = (lines: number): Basket =>
  Array.from({ length: lines }, (_, index) => aProduct({ id: 1_000 + index })).reduce(
    (basket, product) => withMore(basket, product, 1),
    aBasket(),
  )

const outcome = (change: () => Basket) => {
  try {
    return { basket: change() }
  } catch (error) {
    if (error instanceof AppError) return { code: error.code }
    throw error
  }
}

test('any sequence of operations leaves a basket as the plain reference has it, and touches none on the way', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 97, 100),
      fc.array(randomOperation, { maxLength: 30 }),
      (lines, operations) => {
        let basket = filled(lines)
        const reference = new Map(basket.lines.map((line) => [line.productId, line]))
        for (const one of operations) {
          const before = structuredClone(basket)
          const expected = performOn(reference, one)
          const { code, basket: changed } = outcome(() => apply(basket, one))
          assert.equal(code, expected)
          assert.deepEqual(basket, before)
          if (changed !== undefined) basket = changed
          assert.deepEqual(basket, { ...before, lines: [...reference.values()] })
        }
      },
    ),
  )
})

test('the total is the exact sum in whole cents, and the item count the sum of the quantities', () => {
  fc.assert(
    fc.property(fc.array(randomOperation, { maxLength: 30 }), (operations) => {
      let basket = aBasket()
      for (const one of operations) basket = outcome(() => apply(basket, one)).basket ?? basket
      let cents = 0n
      let pieces = 0
      for (const line of basket.lines) {
        cents += line.price * BigInt(line.quantity)
        pieces += line.quantity
      }
      assert.equal(total(basket), cents)
      assert.equal(pieceCount(basket), pieces)
    }),
  )
})

test('ten cents three times are thirty cents', () => {
  assert.equal(total(withMore(aBasket(), aProduct({ price: 10n }), 3)), 30n)
})

test('the largest basket has an exact total', () => {
  const price = 999_999_999_999n
  const products = Array.from({ length: 100 }, (_, index) => aProduct({ id: index + 1, price, stock: 999 }))
  const basket = products.reduce((filling, product) => withMore(filling, product, 999), aBasket())
  assert.equal(total(basket), 99_899_999_999_900_100n)
})

test('stock is compared with the quantity that would result, and the error has both', () => {
  const product = aProduct({ id: 7, stock: 3 })
  const two = withMore(aBasket(), product, 2)
  const refusal = { available: 3, requested: 4 }
  assert.throws(() => withMore(two, product, 2), coded('insufficient_stock', refusal))
  assert.throws(() => withQuantity(two, product, 4), coded('insufficient_stock', refusal))
  assert.equal(pieceCount(withMore(two, product, 1)), 3)
  assert.equal(pieceCount(withQuantity(two, product, 3)), 3)
})

test('stock that has sunk below what a line holds refuses one more, and allows to reduce it to the rest', () => {
  const five = withMore(aBasket(), aProduct({ stock: 5 }), 5)
  const shrunk = aProduct({ stock: 2 })
  assert.throws(() => withMore(five, shrunk, 1), coded('insufficient_stock', { available: 2, requested: 6 }))
  assert.equal(pieceCount(withQuantity(five, shrunk, 2)), 2)
})

test('a line holds 999 pieces and no more', () => {
  const plenty = aProduct({ stock: 100_000 })
  const full = withMore(aBasket(), plenty, 999)
  assert.throws(() => withMore(full, plenty, 1), coded('basket_full'))
  assert.throws(() => withQuantity(full, plenty, 1_000), coded('basket_full'))
})

test('a basket holds 100 lines and no more, and each of them can still be changed', () => {
  const full = filled(100)
  assert.throws(() => withMore(full, aProduct({ id: 1 }), 1), coded('basket_full'))
  assert.equal(pieceCount(withMore(full, aProduct({ id: 1_000 }), 1)), 101)
  assert.equal(withMore(withoutLine(full, 1_000), aProduct({ id: 1 }), 1).lines.length, 100)
})

test('a line that changes keeps its place and is described anew', () => {
  const basket = withMore(withMore(aBasket(), aProduct({ id: 1 }), 1), aProduct({ id: 2 }), 1)
  const dearer = aProduct({ id: 1, name: 'Nineteen Eighty-Four', price: 1_999n, category: 'Classics' })
  const { lines } = withMore(basket, dearer, 1)
  assert.deepEqual(lines[0], {
    productId: 1,
    name: 'Nineteen Eighty-Four',
    price: 1_999n,
    category: 'Classics',
    quantity: 2,
  })
  assert.deepEqual(lines[1], basket.lines[1])
})

test('a line that is not there can be neither set nor removed', () => {
  assert.throws(() => withQuantity(aBasket(), aProduct(), 1), coded('not_found'))
  assert.throws(() => withoutLine(aBasket(), 1), coded('not_found'))
})

test('clearing takes every line out and keeps the basket', () => {
  const basket = filled(3)
  assert.deepEqual(withoutLines(basket), { ...basket, lines: [] })
})

test('each write is the next version, and renews the life of the basket', () => {
  const basket = { ...filled(1), version: 4 }
  const now = new Date('2026-11-22T12:00:00.500Z')
  assert.deepEqual(nextVersion(basket, 90, now), {
    ...basket,
    version: 5,
    updatedAt: now,
    expiresAt: new Date('2026-11-22T12:01:30.500Z'),
  })
})
