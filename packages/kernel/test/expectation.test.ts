import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isExpected } from '../src/expectation.ts'

const isVersion = (stored: number, state: number) => stored === state

describe('isExpected', () => {
  it("accepts any stored value and a missing one for 'anything'", () => {
    for (const stored of [undefined, 0, 7]) assert.equal(isExpected(stored, 'anything', isVersion), true)
  })

  it("accepts any stored value but not a missing one for 'existing'", () => {
    assert.equal(isExpected(undefined, 'existing', isVersion), false)
    for (const stored of [0, 7]) assert.equal(isExpected(stored, 'existing', isVersion), true)
  })

  it('accepts a stored value only in one of the expected states', () => {
    const states = fc.array(fc.nat(5), { maxLength: 4 })
    fc.assert(
      fc.property(fc.option(fc.nat(5), { nil: undefined }), states, (stored, expected) => {
        const isMatch = stored !== undefined && expected.includes(stored)
        assert.equal(isExpected(stored, expected, isVersion), isMatch)
      }),
    )
  })
})
