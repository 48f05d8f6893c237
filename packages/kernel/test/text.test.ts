import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { characterCount, isStorable } from '../src/text.ts'

describe('isStorable', () => {
  it('accepts well-formed Unicode without NUL', () => {
    for (const text of ['', 'plain', 'a\nb\tc', 'žluťoučký', '日本語', '😀', '\u{10ffff}'])
      assert.equal(isStorable(text), true, JSON.stringify(text))
  })

  it('rejects a NUL character anywhere in the string', () => {
    for (const text of ['\0', '\0after', 'before\0', 'be\0tween', '😀\0'])
      assert.equal(isStorable(text), false, JSON.stringify(text))
  })

  it('rejects half of a surrogate pair', () => {
    for (const text of ['\ud83d', '\ude00', 'a\ud83db', '\ude00\ud83d', '😀\ud83d'])
      assert.equal(isStorable(text), false, JSON.stringify(text))
  })
})

describe('characterCount', () => {
  it('counts code points, not UTF-16 units', () => {
    const lengths = ['', 'abc', 'ž', '😀😀', 'a😀'].map(characterCount)
    assert.deepEqual(lengths, [0, 3, 1, 2, 2])
    const anyCharacters = fc.array(fc.constantFrom('a', 'ž', '語', '\u{ffff}', '😀', '\u{10ffff}'))
    fc.assert(fc.property(anyCharacters, (chars) => characterCount(chars.join('')) === chars.length))
  })
})
