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
      fc.string({ minLength: 1 }).filter((value) => !/[".]/.test(value)),
    ),
    version: fc.oneof(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.constant(Number.MAX_SAFE_INTEGER),
    ),
  },
  { noNullPrototype: true },
)

/** Strings that resemble tags but are rarely valid. */
const tagLike = fc.string({
  unit: fc.constantFrom('"', '.', '0', '1', '9', 'a', '-', ' ', '\n'),
  maxLength: 10,
})

describe('the ETag of a basket', () => {
  test('contains its id and version', () => {
    assert.equal(basketTag({ id, version: 12 }), `"${id}.12"`)
  })

  test('can be parsed back into the state', () => {
    fc.assert(fc.property(state, (original) => assert.deepEqual(stateOfTag(basketTag(original)), original)))
  })

  test('is the only string that is parsed into its state', () => {
    const candidates = fc.oneof(
      tagLike,
      tagLike.map((inner) => `"${inner}"`),
      fc.tuple(fc.constantFrom('a', id), tagLike).map(([name, rest]) => `"${name}.${rest}"`),
    )
    let validTags = 0
    fc.assert(
      fc.property(candidates, (tag) => {
        const parsed = stateOfTag(tag)
        if (parsed === undefined) return
        validTags += 1
        assert.equal(basketTag(parsed), tag)
      }),
      { numRuns: 3_000 },
    )
    assert.ok(validTags > 10, `only ${validTags} valid tags`)
  })
})

const invalidTags: Record<string, string> = {
  'a weak tag': `W/"${id}.1"`,
  'a tag without quotes': `${id}.1`,
  'a tag with only one quote': `"${id}.1`,
  'a tag with a trailing space': `"${id}.1" `,
  'two tags': `"${id}.1", "${id}.2"`,
  'an empty string': '',
  'an empty tag': '""',
  'a star': '*',
  'a star in quotes': '"*"',
  'a tag of another form': '"x"',
  'a version alone': '"1"',
  'an id alone': `"${id}"`,
  'an id without a version': `"${id}."`,
  'a version without an id': '".1"',
  'a version of 0': `"${id}.0"`,
  'a version with a leading zero': `"${id}.01"`,
  'a version with a sign': `"${id}.+1"`,
  'a negative version': `"${id}.-1"`,
  'a fractional version': `"${id}.1.5"`,
  'a version with an exponent': `"${id}.1e3"`,
  'a version after a space': `"${id}. 1"`,
  'a version above the largest safe integer': `"${id}.${'9'.repeat(17)}"`,
}

for (const [name, tag] of Object.entries(invalidTags))
  test(`stateOfTag returns undefined for ${name}`, () => assert.equal(stateOfTag(tag), undefined))
