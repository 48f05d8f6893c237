import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { parseCredentials } from '../../src/auth/credentials.ts'

const refusalOf = (authorization: string): unknown => {
  try {
    parseCredentials(authorization)
  } catch (error) {
    assert.ok(hasCode('unauthenticated')(error))
    return error
  }
  throw new Error(`${authorization} was accepted`)
}

describe('the value of Authorization', () => {
  for (const [authorization, kind, value] of [
    ['Bearer abc', 'token', 'abc'],
    ['bearer abc', 'token', 'abc'],
    ['BEARER   abc', 'token', 'abc'],
    ['Bearer a.b-c_d~e+f/9==', 'token', 'a.b-c_d~e+f/9=='],
    ['Bearer shop_abc', 'api_key', 'shop_abc'],
    ['Bearer SHOP_abc', 'token', 'SHOP_abc'],
    ['Bearer xshop_abc', 'token', 'xshop_abc'],
    [`Bearer ${'a'.repeat(8_185)}`, 'token', 'a'.repeat(8_185)],
  ] as const)
    it(`${authorization.slice(0, 40)} is one ${kind}`, () =>
      assert.deepEqual(parseCredentials(authorization), { kind, value }))

  for (const [authorization, message] of [
    ['', /scheme Bearer/],
    ['abc', /scheme Bearer/],
    ['Basic YTpi', /scheme Bearer/],
    ['Bearerabc', /scheme Bearer/],
    [' Bearer abc', /scheme Bearer/],
    ['Bearer\tabc', /scheme Bearer/],
    ['Digest Bearer abc', /scheme Bearer/],
    ['Bearer', /one token or API key/],
    ['Bearer ', /one token or API key/],
    ['Bearer abc ', /one token or API key/],
    ['Bearer abc def', /one token or API key/],
    ['Bearer abc, Bearer def', /one token or API key/],
    ['Bearer abc\n', /one token or API key/],
    ['Bearer =abc', /one token or API key/],
    ['Bearer ab=c', /one token or API key/],
    ['Bearer "abc"', /one token or API key/],
    ['Bearer abć', /one token or API key/],
    ['Bearer ab\u0000c', /one token or API key/],
    // The Kelvin sign and the long s, which some comparisons take for K and s.
    ['Bearer \u212A', /one token or API key/],
    ['Bearer \u017Fhop_abc', /one token or API key/],
    [`Bearer ${'a'.repeat(8_186)}`, /at most 8192 characters/],
  ] as const)
    it(`${JSON.stringify(authorization.slice(0, 40))} is refused, with its rule but not its content`, () => {
      const error = refusalOf(authorization)
      assert.ok(error instanceof Error)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /abc|YTpi/)
    })

  it('is refused without an error of its own, because a flood would capture as many stacks', () =>
    assert.equal(refusalOf('Basic a'), refusalOf('Basic b')))

  it('is read in a time that grows with its length at most: 1,000 of the longest within half a second', () => {
    const started = performance.now()
    for (let count = 0; count < 1_000; count++) refusalOf(`Bearer ${'='.repeat(4_000)}${' '.repeat(4_000)}`)
    for (let count = 0; count < 1_000; count++) refusalOf(`Bearer${' '.repeat(8_000)}é`)
    assert.ok(performance.now() - started < 500, `${performance.now() - started} ms`)
  })
})
