import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Basket, Line } from '../../src/domain/basket.ts'
import { decodeBasket, encodeBasket } from '../../src/infrastructure/basket-record.ts'
import { aBasket } from '../support/baskets.ts'

const anyString = fc.string({ unit: 'binary', maxLength: 20 })
const date = fc.date({ noInvalidDate: true })

const line: fc.Arbitrary<Line> = fc.record(
  {
    productId: fc.integer({ min: 1, max: 2_147_483_647 }),
    name: anyString,
    price: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
    category: anyString,
    quantity: fc.integer({ min: 1, max: 999 }),
  },
  { noNullPrototype: true },
)

const basket: fc.Arbitrary<Basket> = fc.record(
  {
    id: fc.uuid(),
    userId: anyString,
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

test('encoding and decoding preserve every basket', () => {
  fc.assert(
    fc.property(basket, (original) => assert.deepEqual(decodeBasket(encodeBasket(original)), original)),
  )
})

test('a basket with members from a later version of the service can be decoded', () => {
  const later = { ...record(), voucher: 'SPRING', lines: [{ ...goodLine, color: 'red' }] }
  assert.equal(decodeBasket(JSON.stringify(later)).lines.length, 1)
})

/** Invalid records. Where possible, they contain `secret`, which must not appear in the error. */
const invalidRecords: Record<string, string> = {
  'an empty string': '',
  'a string that is not JSON': 'secret',
  'a truncated record': JSON.stringify({ ...record(), id: 'secret' }).slice(0, -1),
  'a JSON null': 'null',
  'an empty JSON object': '{}',
  'a JSON array': '["secret"]',
  'a JSON string': '"secret"',
  'a record with a number as the id': JSON.stringify({ ...record(), id: 1, userId: 'secret' }),
  'a record with lines that are not an array': JSON.stringify({ ...record(), lines: 'secret' }),
  'a record with a fractional price': JSON.stringify({
    ...record(),
    lines: [{ ...goodLine, name: 'secret', price: 14.99 }],
  }),
  'a record with a price that is not a number': JSON.stringify({
    ...record(),
    lines: [{ ...goodLine, price: 'secret' }],
  }),
  'a record with a negative price': JSON.stringify({
    ...record(),
    lines: [{ ...goodLine, name: 'secret', price: '-1' }],
  }),
  'a record with a fractional quantity': JSON.stringify({
    ...record(),
    lines: [{ ...goodLine, name: 'secret', quantity: 0.5 }],
  }),
  'a record with a date that is not a number': JSON.stringify({ ...record(), createdAt: 'secret' }),
}

for (const [name, stored] of Object.entries(invalidRecords))
  test(`decoding ${name} throws an error that contains nothing of it`, () => {
    assert.throws(
      () => decodeBasket(stored),
      (error) =>
        error instanceof Error &&
        error.message.startsWith('a stored basket cannot be read') &&
        !/secret/.test(`${error.stack} ${String(error.cause)}`),
    )
  })

test('decoding throws for random JSON and random strings', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), (stored) => {
      assert.throws(() => decodeBasket(stored), /^Error: a stored basket cannot be read/)
    }),
  )
})
