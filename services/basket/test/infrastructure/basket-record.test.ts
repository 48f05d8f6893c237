import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Basket, Line } from '../../src/domain/basket.ts'
import { decodeBasket, encodeBasket } from '../../src/infrastructure/basket-record.ts'
import { aBasket } from '../support/baskets.ts'

const text = fc.string({ unit: 'binary', maxLength: 20 })
const date = fc.date({ noInvalidDate: true })

const line: fc.Arbitrary<Line> = fc.record(
  {
    productId: fc.integer({ min: 1, max: 2_147_483_647 }),
    name: text,
    price: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
    category: text,
    quantity: fc.integer({ min: 1, max: 999 }),
  },
  { noNullPrototype: true },
)

const basket: fc.Arbitrary<Basket> = fc.record(
  {
    id: fc.uuid(),
    userId: text,
    lines: fc.array(line, { maxLength: 10 }),
    version: fc.nat(),
    createdAt: date,
    updatedAt: date,
    expiresAt: date,
  },
  { noNullPrototype: true },
)

const record = (): Record<string, unknown> => JSON.parse(encodeBasket(aBasket()))
const goodLine = { productId: 1, name: '1984', price: '1499', category: 'Books', quantity: 1 }

test('every basket is read as it was written', () => {
  fc.assert(fc.property(basket, (given) => assert.deepEqual(decodeBasket(encodeBasket(given)), given)))
})

test('members that a later version of the service adds do not make a basket unreadable', () => {
  const later = { ...record(), voucher: 'SPRING', lines: [{ ...goodLine, colour: 'red' }] }
  assert.equal(decodeBasket(JSON.stringify(later)).lines.length, 1)
})

/** Each of them has a secret in it, or nothing at all. */
const junk: Record<string, string> = {
  'an empty text': '',
  'no JSON': 'secret',
  'half a record': JSON.stringify({ ...record(), id: 'secret' }).slice(0, -1),
  null: 'null',
  'an empty object': '{}',
  'an array': '["secret"]',
  'a text': '"secret"',
  'a number for the id': JSON.stringify({ ...record(), id: 1, userId: 'secret' }),
  'lines that are no array': JSON.stringify({ ...record(), lines: 'secret' }),
  'a price in fractions': JSON.stringify({
    ...record(),
    lines: [{ ...goodLine, name: 'secret', price: 14.99 }],
  }),
  'a price that is no number': JSON.stringify({ ...record(), lines: [{ ...goodLine, price: 'secret' }] }),
  'a negative price': JSON.stringify({ ...record(), lines: [{ ...goodLine, name: 'secret', price: '-1' }] }),
  'half a piece': JSON.stringify({ ...record(), lines: [{ ...goodLine, name: 'secret', quantity: 0.5 }] }),
  'a date as text': JSON.stringify({ ...record(), createdAt: 'secret' }),
}

for (const [name, stored] of Object.entries(junk))
  test(`a stored text that is ${name} is an error which names none of it`, () => {
    assert.throws(
      () => decodeBasket(stored),
      (error) =>
        error instanceof Error &&
        error.message.startsWith('a stored basket cannot be read') &&
        !/secret/.test(`${error.stack} ${String(error.cause)}`),
    )
  })

test('no text but a record is taken for a basket', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), (junkText) => {
      assert.throws(() => decodeBasket(junkText), /^Error: a stored basket cannot be read/)
    }),
  )
})
