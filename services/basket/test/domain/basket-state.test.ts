import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Expected } from '@shop/kernel/expectation.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import * as fc from 'fast-check'
import { type Basket, type BasketState, requireExisting, requireExpected } from '../../src/domain/basket.ts'
import { aBasket } from '../support/baskets.ts'

const stored: Basket = { ...aBasket(), id: 'a', version: 2 }

/** A few states, so that they often coincide. */
const state: fc.Arbitrary<BasketState> = fc.record({
  id: fc.constantFrom('a', 'b'),
  version: fc.integer({ min: 1, max: 3 }),
})
const positive: fc.Arbitrary<'anything' | 'existing' | readonly BasketState[]> = fc.oneof(
  fc.constantFrom('anything' as const, 'existing' as const),
  fc.array(state, { maxLength: 4 }),
)
const expectation: fc.Arbitrary<Expected<BasketState>> = fc.oneof(
  positive,
  positive.map((expected) => ({ not: expected })),
)
const basket: fc.Arbitrary<Basket> = state.map((fields) => ({ ...aBasket(), ...fields }))

const isMet = (check: () => unknown): boolean => {
  try {
    check()
    return true
  } catch (error) {
    assert.ok(hasCode('stale_version')(error))
    return false
  }
}

describe('an expectation', () => {
  test('is met by a basket in one of the expected states, and by a missing basket only if anything is expected', () => {
    fc.assert(
      fc.property(fc.option(basket, { nil: undefined }), positive, (current, expected) => {
        const states = Array.isArray(expected) ? expected.map(({ id, version }) => `${id} ${version}`) : []
        const shouldBeMet =
          expected === 'anything' ||
          (current !== undefined &&
            (expected === 'existing' || states.includes(`${current.id} ${current.version}`)))
        assert.equal(
          isMet(() => requireExpected(current, expected)),
          shouldBeMet,
        )
        assert.equal(
          isMet(() => requireExpected(current, { not: expected })),
          !shouldBeMet,
        )
      }),
      { numRuns: 1_000 },
    )
  })

  const mismatches: Record<string, Expected<BasketState>> = {
    'an earlier version': [{ id: 'a', version: 1 }],
    'a later version': [{ id: 'a', version: 3 }],
    'the version of another basket': [{ id: 'b', version: 2 }],
    'several other states': [
      { id: 'a', version: 1 },
      { id: 'b', version: 2 },
    ],
    'an empty array of states': [],
    'no stored basket': { not: 'existing' },
    'another state than the stored one': { not: [{ id: 'a', version: 2 }] },
  }
  for (const [name, expected] of Object.entries(mismatches))
    test(`of ${name} is not met, and the error names the stored version`, () => {
      const staleError = {
        kind: 'stale',
        code: 'stale_version',
        message: 'precondition failed: the basket is at version 2',
      }
      assert.throws(() => requireExpected(stored, expected), staleError)
      assert.throws(() => requireExisting(stored, expected), staleError)
    })

  test('is not met by a missing basket if an existing one or a state is expected', () => {
    for (const expected of ['existing', [], [{ id: 'a', version: 2 }]] as const)
      assert.throws(() => requireExpected(undefined, expected), {
        kind: 'stale',
        code: 'stale_version',
        message: 'precondition failed: there is no basket',
      })
  })
})

describe('requireExisting', () => {
  test('throws not_found if there is no basket, regardless of the expected states', () => {
    assert.throws(() => requireExisting(undefined), hasCode('not_found'))
    fc.assert(
      fc.property(expectation, (expected) =>
        assert.throws(() => requireExisting(undefined, expected), hasCode('not_found')),
      ),
    )
  })

  test('returns the stored basket if it is in an expected state, or if any state is accepted', () => {
    assert.equal(requireExisting(stored), stored)
    for (const expected of ['anything', 'existing', [{ id: 'a', version: 2 }]] as const)
      assert.equal(requireExisting(stored, expected), stored)
  })
})
