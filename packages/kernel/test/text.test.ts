import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  characterCount,
  hasDirectionalFormatting,
  hasVisibleCharacter,
  isPlainLine,
  isPlainText,
  isStorable,
} from '../src/text.ts'

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

describe('hasVisibleCharacter', () => {
  it('finds letters, digits, signs, emoji and combining characters, also among invisible ones', () => {
    const visible = [
      'a',
      '1',
      '-',
      '書',
      'عربي',
      '😀',
      '👩‍🚀',
      '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
      '\u0301',
      '\u0600',
      '\ue000',
      '\u{10ffff}',
    ]
    for (const text of visible)
      for (const around of ['', ' ', '\u200b', '\u2060', '\ufe0f'])
        assert.equal(hasVisibleCharacter(around + text + around), true, JSON.stringify(text))
  })

  it('finds nothing in characters that are not drawn', () => {
    const blank = [
      ' ',
      '\t',
      '\u00a0',
      '\u3000',
      '\u2028',
      '\0',
      '\u001b',
      '\u009b',
      '\u200b',
      '\u200e',
      '\u00ad',
    ]
    const fillers = [
      '\u2060',
      '\u180e',
      '\u3164',
      '\uffa0',
      '\u115f',
      '\u2800',
      '\u034f',
      '\u202e',
      '\u{1d159}',
    ]
    const selectors = ['\ufe0f', '\u{e0100}', '\u{e0067}', '\ufeff', '\ufff9', '\u{1d173}']
    const invisible = fc.constantFrom('', ...blank, ...fillers, ...selectors)
    fc.assert(
      fc.property(fc.array(invisible), (chars) => {
        assert.equal(hasVisibleCharacter(chars.join('')), false)
      }),
      { examples: [...blank, ...fillers, ...selectors].map((char) => [[char]]) },
    )
  })
})

const controls = [...Array(32).keys(), ...Array.from({ length: 33 }, (_, index) => 127 + index)].map((code) =>
  String.fromCharCode(code),
)
const plain = ['', 'a b', 'é', '日本語', 'עברית\u200f!', 'ع\u061c', '👩‍🚀', '\u00a0', '\u00ad', '\u{e0067}']

describe('isPlainLine and isPlainText', () => {
  it('accept text without control characters', () => {
    for (const text of plain) assert.deepEqual([isPlainLine(text), isPlainText(text)], [true, true], text)
  })

  it('reject C0, C1 and DEL at any position; text of several lines may have tab, CR and LF', () => {
    for (const control of controls)
      for (const text of [control, `a${control}`, `${control}é`, `a${control}b`]) {
        assert.equal(isPlainLine(text), false, JSON.stringify(text))
        assert.equal(isPlainText(text), '\t\r\n'.includes(control), JSON.stringify(text))
      }
  })

  it('treat the separators of lines and paragraphs as ends of lines', () => {
    for (const text of ['a\u2028b', '\u2029'])
      assert.deepEqual([isPlainLine(text), isPlainText(text)], [false, true])
  })
})

describe('hasDirectionalFormatting', () => {
  it('finds embeddings, overrides and isolates, but not the directional marks', () => {
    for (const char of '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
      assert.equal(hasDirectionalFormatting(`a${char}b`), true, JSON.stringify(char))
    for (const text of [...plain, '\u200e', '\u2029', '\u202f', '\u2065', '\u206a'])
      assert.equal(hasDirectionalFormatting(text), false, JSON.stringify(text))
  })
})
