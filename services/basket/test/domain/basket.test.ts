import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
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
import { aBasket, aProduct } from '../support/baskets.ts'
import { apply, performOn, randomOperation, refusalsOn } from '../support/reference.ts'

/** Creates a basket with this number of lines, for products that do not occur in the random operations. */
const filled = (lines: number): Basket =>
  Array.from({ length: lines }, (_, index) => aProduct({ id: 1_000 + index })).reduce(
    (basket, product) => withMore(basket, product, 1),
    aBasket(),
  )

const outcome = (change: () => Basket) => {
  try {
    return { basket: change() }
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, errors: error.details.errors }
    throw error
  }
}

test('any sequence of operations has the same results as in the reference model, and no operation modifies its input', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 97, 100),
      fc.array(randomOperation, { maxLength: 30 }),
      (lines, operations) => {
        let basket = filled(lines)
        const reference = new Map(basket.lines.map((line) => [line.productId, line]))
        for (const operation of operations) {
          const before = structuredClone(basket)
          const refusals = refusalsOn(reference, operation)
          const expected = performOn(reference, operation)
          const { code, errors, basket: changed } = outcome(() => apply(basket, operation))
          assert.equal(code, expected)
          assert.deepEqual(
            errors?.map(({ path, code: ofLine }) => ({ path, code: ofLine })) ?? [],
            refusals ?? [],
          )
          assert.deepEqual(basket, before)
          if (changed !== undefined) basket = changed
          assert.deepEqual(basket, { ...before, lines: [...reference.values()] })
        }
      },
    ),
  )
})

test('the total is the exact sum in whole cents, and the piece count is the sum of the quantities', () => {
  fc.assert(
    fc.property(fc.array(randomOperation, { maxLength: 30 }), (operations) => {
      let basket = aBasket()
      for (const operation of operations) basket = outcome(() => apply(basket, operation)).basket ?? basket
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

test('three pieces at 10 cents cost exactly 30 cents', () => {
  assert.equal(total(withMore(aBasket(), aProduct({ price: 10n }), 3)), 30n)
})

test('the largest basket has an exact total', () => {
  const price = 999_999_999_999n
  const products = Array.from({ length: 100 }, (_, index) => aProduct({ id: index + 1, price, stock: 999 }))
  const basket = products.reduce((partial, product) => withMore(partial, product, 999), aBasket())
  assert.equal(total(basket), 99_899_999_999_900_100n)
})

test('stock is compared with the resulting quantity, and the error details have both', () => {
  const product = aProduct({ id: 7, stock: 3 })
  const two = withMore(aBasket(), product, 2)
  const details = { available: 3, requested: 4 }
  assert.throws(() => withMore(two, product, 2), hasCode('insufficient_stock', details))
  assert.throws(() => withQuantity(two, product, 4), hasCode('insufficient_stock', details))
  assert.equal(pieceCount(withMore(two, product, 1)), 3)
  assert.equal(pieceCount(withQuantity(two, product, 3)), 3)
})

test('if stock falls below the quantity of a line, the line cannot grow but can shrink to the stock', () => {
  const five = withMore(aBasket(), aProduct({ stock: 5 }), 5)
  const scarce = aProduct({ stock: 2 })
  assert.throws(
    () => withMore(five, scarce, 1),
    hasCode('insufficient_stock', { available: 2, requested: 6 }),
  )
  assert.equal(pieceCount(withQuantity(five, scarce, 2)), 2)
})

test('a line holds at most 999 pieces', () => {
  const plenty = aProduct({ stock: 100_000 })
  const full = withMore(aBasket(), plenty, 999)
  assert.throws(() => withMore(full, plenty, 1), hasCode('basket_full'))
  assert.throws(() => withQuantity(full, plenty, 1_000), hasCode('basket_full'))
})

test('a basket holds at most 100 lines, and the lines of a full basket can still change', () => {
  const full = filled(100)
  assert.throws(() => withMore(full, aProduct({ id: 1 }), 1), hasCode('basket_full'))
  assert.equal(pieceCount(withMore(full, aProduct({ id: 1_000 }), 1)), 101)
  assert.equal(withMore(withoutLine(full, 1_000), aProduct({ id: 1 }), 1).lines.length, 100)
})

test('a changed line keeps its position and takes the current name, price and category', () => {
  const basket = withMore(withMore(aBasket(), aProduct({ id: 1 }), 1), aProduct({ id: 2 }), 1)
  const changed = aProduct({ id: 1, name: 'Nineteen Eighty-Four', price: 1_999n, category: 'Classics' })
  const { lines } = withMore(basket, changed, 1)
  assert.deepEqual(lines[0], {
    productId: 1,
    name: 'Nineteen Eighty-Four',
    price: 1_999n,
    category: 'Classics',
    quantity: 2,
  })
  assert.deepEqual(lines[1], basket.lines[1])
})

test('setting or removing a missing line throws not_found', () => {
  assert.throws(() => withQuantity(aBasket(), aProduct(), 1), hasCode('not_found'))
  assert.throws(() => withoutLine(aBasket(), 1), hasCode('not_found'))
})

test('clearing removes every line and keeps the basket', () => {
  const basket = filled(3)
  assert.deepEqual(withoutLines(basket), { ...basket, lines: [] })
})

test('nextVersion increments the version and sets the times of the write and of expiry', () => {
  const basket = { ...filled(1), version: 4 }
  const now = new Date('2026-11-22T12:00:00.500Z')
  assert.deepEqual(nextVersion(basket, 90, now), {
    ...basket,
    version: 5,
    updatedAt: now,
    expiresAt: new Date('2026-11-22T12:01:30.500Z'),
  })
})
