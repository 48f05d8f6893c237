import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { fingerprintOf, keyIn, shortHash } from '../../src/idempotency/keys.ts'

/** Texts of the characters from `first` to `last`. */
const textOf = (first: string, last: string, lengths: { minLength: number; maxLength: number }) =>
  fc
    .array(fc.integer({ min: first.charCodeAt(0), max: last.charCodeAt(0) }), lengths)
    .map((codes) => String.fromCharCode(...codes))

const printable = textOf(' ', '~', { minLength: 1, maxLength: 255 })

describe('an idempotency key', () => {
  it('is the text of a string of RFC 9651, whatever printable characters it has', () =>
    fc.assert(
      fc.property(printable, (key) => {
        assert.equal(keyIn(`"${key.replaceAll(/["\\]/g, '\\$&')}"`), key)
      }),
    ))

  it('may be without quotes if it has none in it, and no space around it', () =>
    fc.assert(
      fc.property(printable, (text) => {
        const key = text.trim().replaceAll('"', "'")
        fc.pre(key !== '')
        assert.equal(keyIn(key), key)
        assert.equal(keyIn(` ${key}`), undefined)
        assert.equal(keyIn(`${key} `), undefined)
      }),
    ))

  it('has at most 255 characters, without the quotes and the backslashes that escape', () => {
    const longest = 'x'.repeat(255)
    assert.deepEqual([keyIn(longest), keyIn(`"${longest}"`)], [longest, longest])
    assert.equal(keyIn(`"${'\\"'.repeat(255)}"`), '"'.repeat(255))
    assert.deepEqual([keyIn(`${longest}x`), keyIn(`"${longest}x"`)], [undefined, undefined])
  })

  it('is not empty, and not quoted in any other way', () => {
    for (const header of ['', ' ', '""', '"', '"a', 'a"', 'a"b', '""a""', '"a""b"', '"a", "b"', '"a";p=1'])
      assert.equal(keyIn(header), undefined, header)
    for (const header of ['"\\"', '"\\a"', '"a\\', '\\"a\\"']) assert.equal(keyIn(header), undefined, header)
    // Quotes of another kind are characters of the key.
    assert.equal(keyIn("'a'"), "'a'")
  })

  it('has no characters but printable ones of ASCII', () =>
    fc.assert(
      fc.property(printable, fc.integer({ min: 0, max: 0xffff }), printable, (before, code, after) => {
        fc.pre(code < 0x20 || code > 0x7e)
        const text = `${before}${String.fromCharCode(code)}${after}`
        for (const header of [text, `a${text}a`, `"${text}"`]) assert.equal(keyIn(header), undefined)
      }),
    ))
})

/** The same value with the members of its objects in reverse. */
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, reversed(member)])
      .toReversed(),
  )
}

/** As it is received: JSON has no -0. */
const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)))

describe('the fingerprint of a request', () => {
  it('is the same for equal values: neither the order of members nor white space counts', () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 8 }), (value, spaces) => {
        const text = JSON.stringify(reversed(value), null, spaces)
        assert.equal(fingerprintOf('PUT /things', JSON.parse(text)), fingerprintOf('PUT /things', value))
      }),
    ))

  it('differs for any two different values', () =>
    fc.assert(
      fc.property(json, json, (one, other) => {
        fc.pre(!isDeepStrictEqual(one, other))
        assert.notEqual(fingerprintOf('PUT /things', one), fingerprintOf('PUT /things', other))
      }),
    ))

  it('differs for another number, text, order of a list, type, operation or place of a value', () => {
    const prints = [
      ...[1, 2, 1.01, 0.1 + 0.2, 0.3, 1e21, '1', true, null, [1], [[1]], [1, 2], [2, 1]].map((value) =>
        fingerprintOf('PUT /things', { value }),
      ),
      fingerprintOf('PUT /things', { value: '1 ' }),
      fingerprintOf('PUT /things', { Value: 1 }),
      fingerprintOf('PUT /things', { value: 1, other: null }),
      fingerprintOf('PUT /things', {}, { value: 1 }),
      fingerprintOf('PUT /things', { value: 1 }, {}),
      fingerprintOf('POST /things', { value: 1 }),
      fingerprintOf('PUT /things/:id', { value: 1 }),
    ]
    assert.equal(new Set(prints).size, prints.length)
  })

  it('allows 500 levels of nested values, however much stack there is', () => {
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
    assert.notEqual(fingerprintOf('', nested(500)), fingerprintOf('', nested(499)))
    assert.throws(() => fingerprintOf('', nested(501)), RangeError)
    assert.throws(
      () => fingerprintOf('', JSON.parse(`${'{"a":'.repeat(501)}1${'}'.repeat(501)}`)),
      RangeError,
    )
  })

  it('counts members with special names', () => {
    const [one, other] = ['{"__proto__":1}', '{"__proto__":2}'].map((text) =>
      fingerprintOf('', JSON.parse(text)),
    )
    assert.notEqual(one, other)
    assert.notEqual(one, fingerprintOf('', {}))
  })
})

describe('a short hash', () => {
  it('has 16 characters of base64url, and is that of releases before: stores remember it', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.match(shortHash(text), /^[\w-]{16}$/)))
    assert.equal(shortHash('a'), 'ypeBEsobvcr6wjGz')
    assert.equal(
      fingerprintOf('PUT /things', { b: 1, a: [2] }, null),
      shortHash('PUT /things [{"a":[2],"b":1},null]'),
    )
  })
})
