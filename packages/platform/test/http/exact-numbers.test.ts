import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { withoutRounding } from '../../src/http/json/exact-numbers.ts'

const refused = '1e999'

/** Whether a number with this text would be read as another number. */
const isRefused = (number: string): boolean => {
  const json = withoutRounding(`{"price":${number}}`)
  assert.ok([`{"price":${number}}`, `{"price":${refused}}`].includes(json), json)
  return json !== `{"price":${number}}`
}

/** The digits and the power of ten of any JSON number. */
const anyNumber = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 40n }), fc.integer({ min: -360, max: 330 }))

/** Whether `digits` × 10^`power` is exactly the number that a reader of the shortest form of the double sees. */
const isKept = (digits: bigint, power: number): boolean => {
  const value = Number(`${digits}e${power}`)
  if (!Number.isFinite(value)) return false
  const [, whole = '', fraction = '', exponent = '0'] =
    /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const shift = 400n
  const scaled = (integer: bigint, exponentOfTen: number) => integer * 10n ** (shift + BigInt(exponentOfTen))
  return (
    scaled(digits, power) === scaled(BigInt(whole + fraction), Number(exponent) - fraction.length) ||
    digits === 0n
  )
}

describe('a JSON number', () => {
  it('that a double holds in all its digits is kept, however it is written', () => {
    const kept = ['0', '-0', '0.00', '14.99', '-14.990', '1e2', '1E+2', '0.5e-3', '9007199254740992']
    const long = [
      `1.${'0'.repeat(60_000)}`,
      `0e${'9'.repeat(100)}`,
      '1e308',
      '5e-324',
      '123456789012345000000',
    ]
    for (const number of [...kept, ...long]) assert.equal(isRefused(number), false, number.slice(0, 30))
  })

  it('that a double rounds is replaced by one that is out of range', () => {
    const rounded = ['14.99000000000000001', '9007199254740993', '-9007199254740993', '0.1e-330', '1e-400']
    const long = [
      `1.${'0'.repeat(60_000)}1`,
      '1e400',
      '-1e400',
      '12345678901234567890',
      '4.9e-324',
      '9'.repeat(400),
    ]
    for (const number of [...rounded, ...long]) assert.equal(isRefused(number), true, number.slice(0, 30))
  })

  it('is judged by its exact value', () => {
    fc.assert(
      fc.property(anyNumber, ([digits, power]) => {
        assert.equal(isRefused(`${digits}e${power}`), !isKept(digits, power))
      }),
    )
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.equal(isRefused(JSON.stringify(value)), false)
      }),
    )
  })

  it('inside a string or a name is no number', () => {
    const json = String.raw`{"9007199254740993":"1e-400","a\"9007199254740993":["\\",9007199254740993]}`
    assert.equal(withoutRounding(json), json.replace(/9007199254740993\]/, `${refused}]`))
  })
})

it('the time grows with the length of the text', () => {
  const size = 250_000
  const texts = [
    `{"price":0.${'0'.repeat(size / 2)}1${'0'.repeat(size / 2)}}`,
    `{"price":1.${'0'.repeat(size)}1}`,
    `{"x":9007199254740993,"y":"${String.raw`\"`.repeat(size / 2)}"}`,
    `[${'1e400,'.repeat(size / 6)}1]`,
  ]
  const started = performance.now()
  for (const text of texts) withoutRounding(text)
  // About 50 ms. With quadratic time, tens of seconds.
  assert.ok(performance.now() - started < 5_000)
})
