import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { isExpected } from '../src/expectation.ts'

const isVersion = (stored: number, state: number) => stored === state

it('anything is expected by who expects nothing', () => {
  for (const stored of [undefined, 0, 7]) assert.equal(isExpected(stored, 'anything', isVersion), true)
})

it('what is expected to exist need only be there', () => {
  assert.equal(isExpected(undefined, 'existing', isVersion), false)
  for (const stored of [0, 7]) assert.equal(isExpected(stored, 'existing', isVersion), true)
})

it('of the states that are expected one must be that of what is stored', () => {
  const states = fc.array(fc.nat(5), { maxLength: 4 })
  fc.assert(
    fc.property(fc.option(fc.nat(5), { nil: undefined }), states, (stored, expected) => {
      const fits = stored !== undefined && expected.includes(stored)
      assert.equal(isExpected(stored, expected, isVersion), fits)
    }),
  )
})
