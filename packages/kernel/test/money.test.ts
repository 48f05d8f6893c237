import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../src/errors.ts'
import { centsFromDecimal, centsFromText, decimalFromCents, decimalText, maxCents } from '../src/money.ts'

const anyCents = fc.oneof(
  fc.bigInt({ min: 0n, max: maxCents }),
  fc.bigInt({ min: 0n, max: 1_000n }),
  fc.bigInt({ min: maxCents - 1_000n, max: maxCents }),
)

const roundTrips = (cents: bigint) => centsFromDecimal(decimalFromCents(cents), '/price') === cents

/** Converts the amount. Returns the error message, or `accepted as … cents`. */
const outcomeOf = (amount: number): string => {
  try {
    return `accepted as ${centsFromDecimal(amount, '/price')} cents`
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'invalid')
    assert.deepEqual(
      error.details.errors?.map(({ path }) => path),
      ['/price'],
    )
    return error.message
  }
}

describe('money', () => {
  it('survives conversion to a decimal number and back, for every amount', () => {
    fc.assert(fc.property(anyCents, roundTrips), { numRuns: 20_000 })
    for (let cents = 0n; cents <= 100_000n; cents += 1n) assert.ok(roundTrips(cents), `${cents} cents`)
  })

  it('survives conversion to JSON and back, for every amount', () => {
    fc.assert(
      fc.property(anyCents, (cents) => {
        const received: number = JSON.parse(JSON.stringify(decimalFromCents(cents)))
        return centsFromDecimal(received, '/price') === cents
      }),
      { numRuns: 5_000 },
    )
  })

  it('survives conversion to text and back, and the text always has two decimals', () => {
    fc.assert(
      fc.property(anyCents, (cents) => {
        const text = decimalText(cents)
        return (
          /^\d+\.\d\d$/.test(text) &&
          Number(text) === decimalFromCents(cents) &&
          centsFromText(text) === cents
        )
      }),
      { numRuns: 5_000 },
    )
  })

  it('is parsed exactly from any number of decimal places', () => {
    const texts = ['5', '5.5', '5.50', '5.500', '34.5000', '0', '9999999999.990']
    assert.deepEqual(texts.map(centsFromText), [500n, 550n, 550n, 550n, 3_450n, 0n, maxCents])
  })

  it('is not parsed from text that is no amount in whole cents', () => {
    for (const text of ['5.001', '5.555', 'NaN', 'Infinity', '', '.', '$34.50', '1,234.50', '1.2.34'])
      assert.throws(() => centsFromText(text), Error, text)
  })

  it('is formatted with leading and trailing zeros', () => {
    const texts = [0n, 5n, 50n, 100n, 1_499n, maxCents].map(decimalText)
    assert.deepEqual(texts, ['0.00', '0.05', '0.50', '1.00', '14.99', '9999999999.99'])
  })

  it('may be 0 or -0', () => {
    assert.equal(centsFromDecimal(0, '/price'), 0n)
    assert.equal(centsFromDecimal(-0, '/price'), 0n)
  })

  it('is at most 9999999999.99', () => {
    assert.equal(centsFromDecimal(9_999_999_999.99, '/price'), maxCents)
    for (const amount of [1e10, 1e15, Number.MAX_VALUE, Number('1e400'), Infinity])
      assert.equal(outcomeOf(amount), 'price must be from 0 to 9999999999.99')
  })

  it('is never negative or NaN', () => {
    for (const amount of [-0.01, -1, -1e10, -Infinity, NaN])
      assert.equal(outcomeOf(amount), 'price must be from 0 to 9999999999.99')
  })

  it('is rejected, not rounded, if it has more than two decimals', () => {
    for (const amount of [
      14.999,
      14.991,
      0.001,
      0.009,
      1e-10,
      Number.MIN_VALUE,
      1.005,
      0.1 + 0.2,
      9_999_999_999.985,
    ])
      assert.equal(outcomeOf(amount), 'price must have at most two decimal places')
  })

  it('up to the maximum is accepted if and only if it is a whole number of cents', () => {
    const amounts = fc.double({ min: 0, max: 9_999_999_999.99, noNaN: true })
    fc.assert(
      fc.property(amounts, (amount) => {
        const isWholeCents = Number(amount.toFixed(2)) === amount
        return outcomeOf(amount).startsWith('accepted') === isWholeCents
      }),
      { numRuns: 5_000 },
    )
  })
})
