import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Type } from 'typebox'
import { compileSchema, textReader } from '../../src/config/schema.ts'

const Item = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 5 }),
  stock: Type.Integer({ minimum: 0, maximum: 10, default: 0 }),
  sold: Type.Optional(Type.Boolean()),
  kind: Type.Optional(Type.Enum(['book', 'pen'])),
})

const violationsOf = compileSchema(Item)

describe('compileSchema', () => {
  it('finds nothing wrong with a valid value, and fills in its defaults', () => {
    const value = { name: 'pen' }
    assert.deepEqual(violationsOf(value), [])
    assert.deepEqual(value, { name: 'pen', stock: 0 })
  })

  it('ignores members that the schema does not know', () => {
    const value = { name: 'pen', stock: 1, colour: 'red' }
    assert.deepEqual(violationsOf(value), [])
    assert.equal(value.colour, 'red')
  })

  it('never converts: a number is not a text, and neither true nor null is a number', () => {
    for (const stock of ['5', '', true, false, null, [5], {}, 1.5])
      assert.deepEqual(violationsOf({ name: 'pen', stock }), [
        { path: '/stock', message: 'must be a whole number' },
      ])
    for (const name of [5, true, null, ['pen'], {}])
      assert.deepEqual(violationsOf({ name }), [{ path: '/name', message: 'must be a string' }])
    for (const sold of ['true', 1, 0, null])
      assert.deepEqual(violationsOf({ name: 'pen', sold }), [{ path: '/sold', message: 'must be boolean' }])
  })

  it('takes 5.0 and 5e0 for 5, which JSON does not tell apart', () => {
    for (const text of ['5', '5.0', '5e0', '-0']) {
      const stock: unknown = JSON.parse(text)
      assert.deepEqual(violationsOf({ name: 'pen', stock }), [])
    }
  })

  it('names every field and its rule at once', () => {
    assert.deepEqual(
      violationsOf({ stock: 11, kind: 'cup' }).toSorted((a, b) => a.path.localeCompare(b.path)),
      [
        { path: '/kind', message: 'must be one of book, pen' },
        { path: '/name', message: 'is required' },
        { path: '/stock', message: 'must be at most 10' },
      ],
    )
    assert.deepEqual(violationsOf({ name: '' }), [{ path: '/name', message: 'must not be empty' }])
  })

  it('names nested fields by their JSON Pointer, and the whole value by the empty one', () => {
    const nested = compileSchema(Type.Object({ items: Type.Array(Item) }))
    assert.deepEqual(nested({ items: [{ name: 'pen' }, { stock: 1 }, { name: 'pen', stock: -1 }] }), [
      { path: '/items/1/name', message: 'is required' },
      { path: '/items/2/stock', message: 'must be at least 0' },
    ])
    for (const value of ['text', 5, null, undefined, []])
      assert.deepEqual(violationsOf(value), [{ path: '', message: 'must be an object' }])
  })

  it('counts characters, not UTF-16 units', () => {
    assert.deepEqual(violationsOf({ name: '😀😀😀😀😀' }), [])
    assert.deepEqual(violationsOf({ name: '😀😀😀😀😀😀' }), [
      { path: '/name', message: 'must have at most 5 characters' },
    ])
  })
})

describe('textReader', () => {
  const schema = Type.Object({ limit: Type.Integer(), name: Type.String() })

  it('reads every safe whole number where the schema has one', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (limit) => {
        assert.deepEqual(textReader(schema)({ limit: String(limit) }), { limit })
      }),
    )
  })

  it('leaves every other form of a number, and every other text, as it is', () => {
    for (const text of [
      '',
      ' ',
      ' 5',
      '5 ',
      '5\n',
      '1e3',
      '0x10',
      '0b1',
      '5.0',
      '05',
      '+5',
      '-0',
      '--5',
      '٥',
      'five',
    ])
      assert.deepEqual(textReader(schema)({ limit: text }), { limit: text })
    const notPlain = fc.string().filter((text) => !/^-?\d+$/.test(text))
    fc.assert(
      fc.property(notPlain, (text) => {
        assert.deepEqual(textReader(schema)({ limit: text }), { limit: text })
      }),
    )
  })

  it('leaves texts texts, also those that look like numbers', () => {
    assert.deepEqual(textReader(schema)({ name: '42', other: '42' }), { name: '42', other: '42' })
  })

  it('leaves a list, as of a parameter given twice, as it is, for the schema to refuse', () => {
    for (const limit of [['5'], ['5', '6']]) assert.deepEqual(textReader(schema)({ limit }), { limit })
  })
})
