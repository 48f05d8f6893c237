import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { BasketState } from '../../src/domain/basket.ts'
import { basketTag, stateOfTag } from '../../src/interfaces/http/basket-json.ts'

const id = '0b9f2f6e-3c3b-4d8e-9a55-7d1f6e2c1a90'

const state: fc.Arbitrary<BasketState> = fc.record(
  {
    id: fc.oneof(
      fc.uuid(),
      fc.string({ minLength: 1 }).filter((text) => !/[".]/.test(text)),
    ),
    version: fc.oneof(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.constant(Number.MAX_SAFE_INTEGER),
    ),
  },
  { noNullPrototype: true },
)

/** What looks like a tag, and seldom is one. */
const text = fc.string({ unit: fc.constantFrom('"', '.', '0', '1', '9', 'a', '-', ' ', '\n'), maxLength: 10 })

describe('the tag of a basket', () => {
  test('has its id and version', () => {
    assert.equal(basketTag({ id, version: 12 }), `"${id}.12"`)
  })

  test('brings back the state that it was made of', () => {
    fc.assert(fc.property(state, (given) => assert.deepEqual(stateOfTag(basketTag(given)), given)))
  })

  test('is the only text that stands for its state', () => {
    const candidates = fc.oneof(
      text,
      text.map((inner) => `"${inner}"`),
      fc.tuple(fc.constantFrom('a', id), text).map(([name, rest]) => `"${name}.${rest}"`),
    )
    let states = 0
    fc.assert(
      fc.property(candidates, (tag) => {
        const found = stateOfTag(tag)
        if (found === undefined) return
        states += 1
        assert.equal(basketTag(found), tag)
      }),
      { numRuns: 3_000 },
    )
    assert.ok(states > 10, `${states} of them stood for a state`)
  })
})

const foreign: Record<string, string> = {
  'a weak tag': `W/"${id}.1"`,
  'a tag without quotes': `${id}.1`,
  'a tag with only one quote': `"${id}.1`,
  'a tag with more behind it': `"${id}.1" `,
  'two tags': `"${id}.1", "${id}.2"`,
  'an empty text': '',
  'an empty tag': '""',
  'a star': '*',
  'a star in quotes': '"*"',
  'another text': '"x"',
  'a version alone': '"1"',
  'an id alone': `"${id}"`,
  'an id without a version': `"${id}."`,
  'a version without an id': '".1"',
  'a version of 0, which nothing that is stored has': `"${id}.0"`,
  'a leading zero': `"${id}.01"`,
  'a sign': `"${id}.+1"`,
  'a negative version': `"${id}.-1"`,
  'a fraction': `"${id}.1.5"`,
  'an exponent': `"${id}.1e3"`,
  'a space before the version': `"${id}. 1"`,
  'a version that no number can hold': `"${id}.${'9'.repeat(17)}"`,
}

for (const [name, tag] of Object.entries(foreign))
  test(`${name} stands for no state of a basket`, () => assert.equal(stateOfTag(tag), undefined))
