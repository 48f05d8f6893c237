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

  it('for `not`, accepts what the other expectation does not accept', () => {
    for (const [stored, expected, accepted] of [
      [undefined, 'existing', true],
      [7, 'existing', false],
      [undefined, [7], true],
      [6, [7], true],
      [7, [6, 7], false],
      [7, [], true],
      [undefined, 'anything', false],
    ] as const)
      assert.equal(isExpected(stored, { not: expected }, isIn), accepted)
  })

  it('for `all`, accepts only what each expectation accepts', () => {
    assert.equal(isExpected(undefined, { all: [] }, isIn), true)
    for (const [stored, accepted] of [
      [undefined, false],
      [6, true],
      [7, false],
      [8, false],
    ] as const)
      assert.equal(isExpected(stored, { all: [[6, 7], { not: [7, 8] }] }, isIn), accepted)
  })
})
