import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { productNotFound } from '../../src/domain/errors.ts'
import {
  newProduct,
  type Product,
  type ProductFields,
  parseCategory,
  parseGroupId,
  removeProduct,
  requireExisting,
  reviseProduct,
} from '../../src/domain/product.ts'
import { fieldsOf } from '../support/store.ts'

/** Returns the paths of the violations that the call throws; empty if it succeeds. */
const thrownViolations = (call: () => unknown): string[] => {
  try {
    call()
    return []
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.kind, 'invalid')
    assert.equal(error.code, 'invalid')
    return (error.details.errors ?? []).map(({ path }) => path)
  }
}

const maxCents = 999_999_999_999n

const fieldViolations = (fields: Partial<ProductFields>): string[] =>
  thrownViolations(() => newProduct(fieldsOf(fields)))

const lamp: Product = {
  ...fieldsOf(),
  id: 7,
  version: 3,
  createdAt: new Date('2026-11-22T09:58:00.123Z'),
  updatedAt: new Date('2026-11-22T09:59:00.456Z'),
}

/** Single code points of one to four bytes in UTF-8, and of one or two code units in UTF-16. */
const character = fc.constantFrom('a', '"', 'é', '\u0301', '書', '\u{1F600}', '\u{10FFFF}')
const space = fc.constantFrom('', ' ', '\t\r\n', '\u00a0 ', '\u3000')
const unstorable = fc.constantFrom('\0', '\ud83d', '\ude00', '\ude00\ud83d')

describe('the strings of a product', () => {
  const cases = [
    ['name', 1, 200],
    ['description', 0, 5_000],
    ['category', 0, 100],
  ] as const

  for (const [field, shortest, longest] of cases) {
    test(`${field} must have ${shortest} to ${longest} characters, regardless of their size in bytes`, () => {
      fc.assert(
        fc.property(character, fc.integer({ min: 0, max: 2 * longest }), (repeated, length) => {
          const allowed = length >= shortest && length <= longest
          assert.deepEqual(
            fieldViolations({ [field]: repeated.repeat(length) }),
            allowed ? [] : [`/${field}`],
          )
        }),
        { examples: [shortest, longest, longest + 1].map((length) => ['\u{1F600}', length]) },
      )
    })

    test(`${field} must not contain a NUL character or a lone surrogate at any position`, () => {
      fc.assert(
        fc.property(fc.string(), unstorable, fc.string(), (before, bad, after) => {
          assert.deepEqual(fieldViolations({ [field]: `x${before}${bad}${after}x` }), [`/${field}`])
        }),
      )
    })
  }

  test('the name is trimmed before its characters are counted', () => {
    fc.assert(
      fc.property(space, fc.integer({ min: 1, max: 200 }), space, (before, length, after) => {
        const name = 'x'.repeat(length)
        assert.equal(newProduct(fieldsOf({ name: before + name + after })).fields.name, name)
      }),
    )
  })

  test('a name of only whitespace is refused as empty', () => {
    fc.assert(fc.property(space, (name) => assert.deepEqual(fieldViolations({ name }), ['/name'])))
  })

  const control = fc.constantFrom('\u0001', '\u001b', '\u007f', '\u0085', '\u009b')
  const lineEnd = fc.constantFrom('\t', '\n', '\r', '\r\n')
  const bidirectional = fc.constantFrom('\u202a', '\u202d', '\u202e', '\u202c', '\u2066', '\u2068', '\u2069')

  test('none may contain a control character; the description may contain tab, CR and LF', () => {
    fc.assert(
      fc.property(control, lineEnd, (char, end) => {
        for (const field of ['name', 'description', 'category'])
          assert.deepEqual(fieldViolations({ [field]: `a${char}b` }), [`/${field}`])
        for (const field of ['name', 'category'])
          assert.deepEqual(fieldViolations({ [field]: `a${end}b` }), [`/${field}`])
        assert.deepEqual(fieldViolations({ description: `a${end}b` }), [])
      }),
    )
  })

  test('name and category must not contain bidirectional formatting; the description may', () => {
    fc.assert(
      fc.property(bidirectional, (char) => {
        for (const field of ['name', 'category'])
          assert.deepEqual(fieldViolations({ [field]: `a${char}b` }), [`/${field}`])
        assert.deepEqual(fieldViolations({ description: `a${char}b` }), [])
      }),
    )
  })

  test('the name must have a visible character', () => {
    for (const name of ['\u200b', '\u2060\u180e\u3164', '\ufe0f \ufe0f', '\u200e\u00ad', '\u2800']) {
      assert.deepEqual(fieldViolations({ name }), ['/name'])
      assert.deepEqual(fieldViolations({ name: `${name}x` }), [])
    }
    assert.throws(() => newProduct(fieldsOf({ name: '\u200b' })), {
      message: 'name must have a visible character',
    })
  })

  test('names of all scripts and of emoji are stored unchanged', () => {
    const names = [
      'Café',
      'Cafe\u0301',
      'מנורה\u200f (LED)',
      'مصباح ٣٫٥ \u200eUSB\u200e',
      'क्\u200dष',
      '書籍',
      '👩‍🚀',
      '❤️',
      '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
    ]
    for (const name of names) {
      const fields = fieldsOf({ name, description: name, category: name })
      assert.deepEqual(newProduct(fields).fields, fields)
    }
  })

  test('description and category are not trimmed', () => {
    const fields = fieldsOf({ description: ' two\nlines ', category: ' Home ' })
    assert.deepEqual(newProduct(fields).fields, fields)
  })
})

describe('the group of a product', () => {
  test('is null or has 1 to 64 characters, regardless of their size in bytes', () => {
    assert.deepEqual(fieldViolations({ groupId: null }), [])
    fc.assert(
      fc.property(character, fc.integer({ min: 0, max: 128 }), (repeated, length) => {
        const allowed = length >= 1 && length <= 64
        assert.deepEqual(fieldViolations({ groupId: repeated.repeat(length) }), allowed ? [] : ['/group_id'])
      }),
      { examples: [0, 1, 64, 65].map((length) => ['\u{1F600}', length]) },
    )
  })

  test('must not contain control characters or lone surrogates, and is not trimmed', () => {
    for (const bad of ['\0', '\t', '\n', '\u001f', '\u007f', '\u009f', '\u2028', '\ud83d'])
      assert.deepEqual(fieldViolations({ groupId: `a${bad}b` }), ['/group_id'])
    for (const groupId of [' a ', '.', '..', 'a/b', '100%', '😀', 'a&b=c#d', 'null'])
      assert.equal(newProduct(fieldsOf({ groupId })).fields.groupId, groupId)
  })

  test('a filter accepts exactly the groups that a product can have', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: character, maxLength: 130 }), unstorable), (groupId) => {
        const broken = thrownViolations(() => parseGroupId(groupId))
        assert.deepEqual(broken, fieldViolations({ groupId }))
        if (broken.length === 0) assert.equal(parseGroupId(groupId), groupId)
      }),
    )
  })
})

describe('the numbers of a product', () => {
  test('the price must be from 0 to 9999999999.99', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -maxCents, max: 2n * maxCents }), (price) => {
        assert.deepEqual(fieldViolations({ price }), price >= 0n && price <= maxCents ? [] : ['/price'])
      }),
      { examples: [-1n, 0n, maxCents, maxCents + 1n].map((price) => [price]) },
    )
  })

  test('the stock must be a whole number from 0 to 2147483647', () => {
    const edges = [-1, 0, 2_147_483_647, 2_147_483_648, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()), (stock) => {
        const allowed = Number.isInteger(stock) && stock >= 0 && stock <= 2_147_483_647
        assert.deepEqual(fieldViolations({ stock }), allowed ? [] : ['/stock'])
      }),
      { examples: edges.map((stock) => [stock]) },
    )
  })
})

test('one error reports every broken rule', () => {
  const broken = {
    name: ' ',
    description: '\0',
    category: 'x'.repeat(101),
    price: -1n,
    stock: -1,
    groupId: '',
  }
  assert.throws(() => newProduct(broken), {
    code: 'invalid',
    message:
      'name must not be empty; description must not contain NUL characters or lone surrogates; ' +
      'category must have at most 100 characters; price must be from 0 to 9999999999.99; ' +
      'stock must be a whole number from 0 to 2147483647; group_id must not be empty',
  })
  assert.deepEqual(fieldViolations(broken), [
    '/name',
    '/description',
    '/category',
    '/price',
    '/stock',
    '/group_id',
  ])
})

test('exactly the broken rules are reported', () => {
  const broken = { name: '', description: '\0', category: '\ud800', price: -1n, stock: 0.5 }
  const fields = Object.keys(broken) as (keyof typeof broken)[]
  fc.assert(
    fc.property(fc.subarray(fields), (chosen) => {
      const values = Object.fromEntries(chosen.map((field) => [field, broken[field]]))
      assert.deepEqual(
        fieldViolations(values),
        chosen.map((field) => `/${field}`),
      )
    }),
  )
})

describe('a revision', () => {
  test('changes only the given fields', () => {
    const changes = {
      name: ' Floor Lamp ',
      description: '',
      price: 0n,
      stock: 0,
      category: 'Lighting',
    }
    const fields = Object.keys(changes) as (keyof typeof changes)[]
    fc.assert(
      fc.property(fc.subarray(fields), (chosen) => {
        const revision = Object.fromEntries(chosen.map((field) => [field, changes[field]]))
        const expected = { ...lamp, ...revision, ...('name' in revision && { name: 'Floor Lamp' }) }
        assert.deepEqual(reviseProduct(lamp, revision).product, expected)
      }),
    )
  })

  test('does not modify the original product', () => {
    const before = structuredClone(lamp)
    reviseProduct(lamp, { name: ' x ', stock: 1 })
    assert.deepEqual(lamp, before)
  })

  test('keeps a text of an older product that breaks a newer rule, also if it is given again', () => {
    const old = { name: '\u200b', description: 'a\u0001', category: 'a\nb' }
    const fields = Object.keys(old) as (keyof typeof old)[]
    fc.assert(
      fc.property(fc.subarray(fields), (repeated) => {
        const again = Object.fromEntries(repeated.map((field) => [field, old[field]]))
        const { product, events } = reviseProduct({ ...lamp, ...old }, { ...again, stock: 6 })
        assert.deepEqual(product, { ...lamp, ...old, stock: 6 })
        assert.deepEqual(events, [{ type: 'product_updated', changed: ['stock'] }])
      }),
    )
    assert.deepEqual(
      thrownViolations(() => reviseProduct({ ...lamp, ...old }, { ...old, name: '\u200b\u200b', stock: -1 })),
      ['/name', '/stock'],
    )
  })

  test('follows the same rules as a new product', () => {
    assert.deepEqual(
      thrownViolations(() => reviseProduct(lamp, { name: '  ', price: maxCents + 1n, stock: -1 })),
      ['/name', '/price', '/stock'],
    )
  })
})

/** Returns the events of a revision. */
const eventsOf = (before: Partial<Product>, changes: Partial<ProductFields>) =>
  reviseProduct({ ...lamp, ...before }, changes).events

describe('product events', () => {
  test('creation emits only product_created, even with low stock', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 10, 11, 2_147_483_647), (stock) => {
        assert.deepEqual(newProduct(fieldsOf({ stock })).events, [{ type: 'product_created' }])
      }),
    )
  })

  test('a revision emits product_updated with the fields whose values changed', () => {
    const newValues = {
      name: 'Floor Lamp',
      description: '',
      category: 'Lighting',
      price: 0n,
      stock: 6,
      groupId: 'lamps' as string | null,
    }
    const fields = Object.keys(newValues) as (keyof typeof newValues)[]
    const { name, description, category, price, stock, groupId } = lamp
    const oldValues = { name: ` ${name} `, description, category, price, stock, groupId }
    fc.assert(
      fc.property(fc.subarray(fields), fc.subarray(fields), (changed, repeated) => {
        const pick = (values: typeof newValues, chosen: readonly (keyof typeof newValues)[]) =>
          Object.fromEntries(chosen.map((field) => [field, values[field]]))
        assert.deepEqual(eventsOf({}, { ...pick(oldValues, repeated), ...pick(newValues, changed) }), [
          { type: 'product_updated', changed },
        ])
      }),
    )
  })

  test('a revision without changes emits product_updated with no changed fields', () => {
    assert.deepEqual(eventsOf({}, {}), [{ type: 'product_updated', changed: [] }])
  })

  test('a revision emits low_stock if and only if it lowers the stock from above ten to ten or fewer', () => {
    const stock = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(2_147_483_647))
    fc.assert(
      fc.property(stock, stock, (before, now) => {
        const changed = before === now ? [] : ['stock']
        const low = { type: 'low_stock', stock: now, threshold: 10 }
        assert.deepEqual(eventsOf({ stock: before }, { stock: now }), [
          { type: 'product_updated', changed },
          ...(before > 10 && now <= 10 ? [low] : []),
        ])
      }),
      {
        examples: [
          [11, 10],
          [10, 11],
          [10, 9],
          [12, 11],
          [11, 0],
        ],
      },
    )
  })

  test('a revision of another field does not emit low_stock while the stock is low', () => {
    assert.deepEqual(eventsOf({ stock: 3 }, { price: 1n }), [{ type: 'product_updated', changed: ['price'] }])
  })

  test('removal emits product_deleted and leaves no product', () => {
    assert.deepEqual(removeProduct(), { product: undefined, events: [{ type: 'product_deleted' }] })
  })
})

describe('the precondition of a write', () => {
  const stale = {
    kind: 'stale',
    code: 'stale_version',
    message: 'precondition failed: product 7 is at version 3',
  }

  test('holds for an existing product unless a list of versions lacks the stored one', () => {
    assert.equal(requireExisting(7, lamp, 'anything'), lamp)
    assert.equal(requireExisting(7, lamp, 'existing'), lamp)
    const versions = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 })
    fc.assert(
      fc.property(versions, (expected) => {
        const write = () =>
          requireExisting(
            7,
            lamp,
            expected.map((version) => ({ version })),
          )
        if (expected.includes(3)) assert.equal(write(), lamp)
        else assert.throws(write, stale)
      }),
      { examples: [[[]], [[3]], [[2]], [[4]], [[2, 3]], [[3, 1]]] },
    )
  })

  test('does not hold if the list of versions is empty', () => {
    assert.throws(() => requireExisting(7, lamp, []), stale)
  })

  test('is not checked for an unknown product; the error is not_found', () => {
    const preconditions = ['anything', 'existing', [], [{ version: 3 }]] as const
    for (const expected of preconditions)
      assert.throws(() => requireExisting(7, undefined, expected), {
        kind: 'not_found',
        code: 'not_found',
        message: 'product 7 not found',
      })
  })
})

test('a category filter accepts exactly the categories that a product can have', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: character, maxLength: 200 }), unstorable), (category) => {
      const broken = thrownViolations(() => parseCategory(category))
      assert.deepEqual(broken, fieldViolations({ category }))
      if (broken.length === 0) assert.equal(parseCategory(category), category)
    }),
  )
})

test('a category filter also accepts the categories of older products', () => {
  for (const category of ['a\nb', '\u001b[31m', '\u202e', '\u200b'])
    assert.equal(parseCategory(category), category)
})

test('the error for an unknown product is not_found and names the id', () => {
  assert.equal(productNotFound(7).kind, 'not_found')
  assert.equal(productNotFound(7).code, 'not_found')
  assert.equal(productNotFound(7).message, 'product 7 not found')
})
