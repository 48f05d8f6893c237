import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Expected } from '@shop/kernel/expectation.ts'
import * as fc from 'fast-check'
import { type Basket, type BasketState, requireExisting, requireExpected } from '../../src/domain/basket.ts'
import { aBasket, coded } from '../support/baskets.ts'

const stored: Basket = { ...aBasket(), id: 'a', version: 2 }

/** Few, so that they meet. */
const state: fc.Arbitrary<BasketState> = fc.record({
  id: fc.constantFrom('a', 'b'),
  version: fc.integer({ min: 1, max: 3 }),
})
const expectation: fc.Arbitrary<Expected<BasketState>> = fc.oneof(
  fc.constantFrom('anything', 'existing'),
  fc.array(state, { maxLength: 4 }),
)
const basket: fc.Arbitrary<Basket> = state.map((fields) => ({ ...aBasket(), ...fields }))

const holds = (check: () => unknown): boolean => {
  try {
    check()
    return true
  } catch (error) {
    return !coded('stale_version')(error)
  }
}

describe('what a write expects', () => {
  test('holds of what is stored when that is one of the states, and of nothing only when it may be anything', () => {
    fc.assert(
      fc.property(fc.option(basket, { nil: undefined }), expectation, (now, expected) => {
        const states = Array.isArray(expected) ? expected.map(({ id, version }) => `${id} ${version}`) : []
        const fits =
          expected === 'anything' ||
          (now !== undefined && (expected === 'existing' || states.includes(`${now.id} ${now.version}`)))
        assert.equal(
          holds(() => requireExpected(now, expected)),
          fits,
        )
      }),
      { numRuns: 1_000 },
    )
  })

  const hopeless: Record<string, Expected<BasketState>> = {
    'an earlier version': [{ id: 'a', version: 1 }],
    'a later version': [{ id: 'a', version: 3 }],
    'the version of another basket': [{ id: 'b', version: 2 }],
    'several that it is not': [
      { id: 'a', version: 1 },
      { id: 'b', version: 2 },
    ],
    'no state at all': [],
  }
  for (const [name, expected] of Object.entries(hopeless))
    test(`does not hold when it is ${name}, and the error has the version that is stored`, () => {
      const refusal = {
        kind: 'stale',
        code: 'stale_version',
        message: 'precondition failed: the basket is at version 2',
      }
      assert.throws(() => requireExpected(stored, expected), refusal)
      assert.throws(() => requireExisting(stored, expected), refusal)
    })

  test('does not hold of nothing when it is a basket, whichever', () => {
    for (const expected of ['existing', [], [{ id: 'a', version: 2 }]] as const)
      assert.throws(() => requireExpected(undefined, expected), {
        kind: 'stale',
        code: 'stale_version',
        message: 'precondition failed: there is no basket',
      })
  })
})

describe('a basket that has to be there', () => {
  test('is not_found when it is not, whatever else was expected of it', () => {
    assert.throws(() => requireExisting(undefined), coded('not_found'))
    fc.assert(
      fc.property(expectation, (expected) =>
        assert.throws(() => requireExisting(undefined, expected), coded('not_found')),
      ),
    )
  })

  test('is the one that is stored, when nothing, or just that, is expected of it', () => {
    assert.equal(requireExisting(stored), stored)
    for (const expected of ['anything', 'existing', [{ id: 'a', version: 2 }]] as const)
      assert.equal(requireExisting(stored, expected), stored)
  })
})
