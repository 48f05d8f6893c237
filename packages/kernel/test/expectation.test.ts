import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isExpected } from '../src/expectation.ts'

const isIn = (stored: number, state: number) => stored === state

describe('isExpected', () => {
  it("for 'anything', accepts any stored value, or none", () => {
    for (const stored of [undefined, 0, 7]) assert.equal(isExpected(stored, 'anything', isIn), true)
  })

  it("for 'existing', accepts any stored value, but not a missing one", () => {
    assert.equal(isExpected(undefined, 'existing', isIn), false)
    for (const stored of [0, 7]) assert.equal(isExpected(stored, 'existing', isIn), true)
  })

  it('for an array, accepts only a stored value in one of its states', () => {
    const states = fc.array(fc.nat(5), { maxLength: 4 })
    fc.assert(
      fc.property(fc.option(fc.nat(5), { nil: undefined }), states, (stored, expected) => {
        const isMatch = stored !== undefined && expected.includes(stored)
        assert.equal(isExpected(stored, expected, isIn), isMatch)
      }),
    )
  })
})
