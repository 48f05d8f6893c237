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
  it('accepts a valid value and fills in its defaults', () => {
    const value = { name: 'pen' }
    assert.deepEqual(violationsOf(value), [])
    assert.deepEqual(value, { name: 'pen', stock: 0 })
  })

  it('ignores properties that are not in the schema', () => {
    const value = { name: 'pen', stock: 1, color: 'red' }
    assert.deepEqual(violationsOf(value), [])
    assert.equal(value.color, 'red')
  })

  it('does not convert between strings, numbers, booleans and null', () => {
    for (const stock of ['5', '', true, false, null, [5], {}, 1.5])
      assert.deepEqual(violationsOf({ name: 'pen', stock }), [
        { path: '/stock', message: 'must be a whole number' },
      ])
    for (const name of [5, true, null, ['pen'], {}])
      assert.deepEqual(violationsOf({ name }), [{ path: '/name', message: 'must be a string' }])
    for (const sold of ['true', 1, 0, null])
      assert.deepEqual(violationsOf({ name: 'pen', sold }), [{ path: '/sold', message: 'must be a boolean' }])
  })

  it('accepts 5.0 and 5e0 as integers, because parsed JSON does not distinguish them from 5', () => {
    for (const text of ['5', '5.0', '5e0', '-0']) {
      const stock: unknown = JSON.parse(text)
      assert.deepEqual(violationsOf({ name: 'pen', stock }), [])
    }
  })

  it('reports all violations at once, each with its path and rule', () => {
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

  it('names properties that a closed schema does not have, and those that it has', () => {
    const closed = compileSchema(Type.Object({ limit: Type.Integer() }, { additionalProperties: false }))
    const message = 'is not a known name; the known names are limit'
    assert.deepEqual(closed({ limit: 1, page: 2, 'a/b~': 3 }), [
      { path: '/page', message },
      { path: '/a~1b~0', message },
    ])
    const empty = compileSchema(Type.Object({}, { additionalProperties: false }))
    assert.deepEqual(empty({}), [])
    assert.deepEqual(empty({ page: 2 }), [
      { path: '/page', message: 'is not a known name; there are no known names' },
    ])
  })

  it('reports at most twenty violations', () => {
    const closed = compileSchema(Type.Object({}, { additionalProperties: false }))
    assert.equal(closed(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`p${n}`, 1]))).length, 20)
  })

  it('reports how many items an array may have, and of a longer one no more violations than of the longest', () => {
    const short = compileSchema(
      Type.Object({
        items: Type.Array(Item, { minItems: 1, maxItems: 2 }),
        others: Type.Array(Item, { minItems: 2 }),
      }),
    )
    const [pen, others] = [{ name: 'pen' }, [{ name: 'pen' }, { name: 'cup' }]]
    assert.deepEqual(short({ items: [pen, pen], others }), [])
    assert.deepEqual(short({ items: [], others: [pen] }), [
      { path: '/items', message: 'must not be empty' },
      { path: '/others', message: 'must have at least 2 items' },
    ])
    const value = { items: Array.from({ length: 10 }, () => 0), others }
    assert.deepEqual(short(value), [
      { path: '/items', message: 'must have at most 2 items' },
      ...[0, 1, 2].map((index) => ({ path: `/items/${index}`, message: 'must be an object' })),
    ])
    assert.equal(value.items.length, 10)
    for (const other of [null, 1, 'items', [], [[], []]])
      assert.equal(
        short(other)[0]?.path,
        Array.isArray(other) || typeof other !== 'object' || other === null ? '' : '/items',
      )
  })

  it('reports the violations of a condition, and not the condition', () => {
    const either = compileSchema(
      Type.Object(
        { one: Type.Optional(Type.Integer()), two: Type.Optional(Type.Integer()) },
        { if: { required: ['one'] }, else: { required: ['two'] } },
      ),
    )
    for (const value of [{ one: 1 }, { two: 2 }, { one: 1, two: 2 }]) assert.deepEqual(either(value), [])
    assert.deepEqual(either({}), [{ path: '/two', message: 'is required' }])
    assert.deepEqual(either(null), [{ path: '', message: 'must be an object' }])
  })

  it('identifies fields by JSON Pointer; the empty pointer stands for the whole value', () => {
    const nested = compileSchema(Type.Object({ items: Type.Array(Item) }))
    assert.deepEqual(nested({ items: [{ name: 'pen' }, { stock: 1 }, { name: 'pen', stock: -1 }] }), [
      { path: '/items/1/name', message: 'is required' },
      { path: '/items/2/stock', message: 'must be at least 0' },
    ])
    for (const value of ['text', 5, null, undefined, []])
      assert.deepEqual(violationsOf(value), [{ path: '', message: 'must be an object' }])
  })

  it('counts characters, not UTF-16 code units', () => {
    assert.deepEqual(violationsOf({ name: '😀😀😀😀😀' }), [])
    assert.deepEqual(violationsOf({ name: '😀😀😀😀😀😀' }), [
      { path: '/name', message: 'must have at most 5 characters' },
    ])
  })
})

describe('textReader', () => {
  const schema = Type.Object({ limit: Type.Integer(), name: Type.String() })

  it('converts every safe integer where the schema has an integer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (limit) => {
        assert.deepEqual(textReader(schema)({ limit: String(limit) }), { limit })
      }),
    )
  })

  it('leaves other number formats and other strings unchanged', () => {
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
    const nonIntegers = fc.string().filter((text) => !/^-?\d+$/.test(text))
    fc.assert(
      fc.property(nonIntegers, (text) => {
        assert.deepEqual(textReader(schema)({ limit: text }), { limit: text })
      }),
    )
  })

  it('leaves strings unchanged where the schema has a string, even if they look like numbers', () => {
    assert.deepEqual(textReader(schema)({ name: '42', other: '42' }), { name: '42', other: '42' })
  })

  it('leaves the array of a repeated parameter unchanged, so that the schema rejects it', () => {
    for (const limit of [['5'], ['5', '6']]) assert.deepEqual(textReader(schema)({ limit }), { limit })
  })
})
