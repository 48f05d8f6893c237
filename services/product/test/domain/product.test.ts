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
  removeProduct,
  requireExisting,
  reviseProduct,
} from '../../src/domain/product.ts'
import { fieldsOf } from '../support/store.ts'

/** The paths of the rules that are broken, none when the call succeeds. */
const brokenBy = (call: () => unknown): string[] => {
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

const brokenRules = (given: Partial<ProductFields>): string[] => brokenBy(() => newProduct(fieldsOf(given)))

const stored: Product = {
  ...fieldsOf(),
  id: 7,
  version: 3,
  createdAt: new Date('2026-11-22T09:58:00.123Z'),
  updatedAt: new Date('2026-11-22T09:59:00.456Z'),
}

/** One character each, of one to four bytes in UTF-8, and of one or two units in UTF-16. */
const character = fc.constantFrom('a', '"', 'é', '\u0301', '書', '\u{1F600}', '\u{10FFFF}')
const space = fc.constantFrom('', ' ', '\t\r\n', '\u00a0 ', '\u3000')
const notStorable = fc.constantFrom('\0', '\ud83d', '\ude00', '\ude00\ud83d')

describe('the texts of a product', () => {
  const cases = [
    ['name', 1, 200],
    ['description', 0, 5_000],
    ['category', 0, 100],
  ] as const

  for (const [field, shortest, longest] of cases) {
    test(`the ${field} has ${shortest} to ${longest} characters, whatever their size in bytes`, () => {
      fc.assert(
        fc.property(character, fc.integer({ min: 0, max: 2 * longest }), (one, length) => {
          const allowed = length >= shortest && length <= longest
          assert.deepEqual(brokenRules({ [field]: one.repeat(length) }), allowed ? [] : [`/${field}`])
        }),
        { examples: [shortest, longest, longest + 1].map((length) => ['\u{1F600}', length]) },
      )
    })

    test(`the ${field} has neither NUL characters nor lone surrogates, wherever they stand`, () => {
      fc.assert(
        fc.property(fc.string(), notStorable, fc.string(), (before, bad, after) => {
          assert.deepEqual(brokenRules({ [field]: `x${before}${bad}${after}x` }), [`/${field}`])
        }),
      )
    })
  }

  test('the name is trimmed, and counted afterwards', () => {
    fc.assert(
      fc.property(space, fc.integer({ min: 1, max: 200 }), space, (before, length, after) => {
        const name = 'x'.repeat(length)
        assert.equal(newProduct(fieldsOf({ name: before + name + after })).fields.name, name)
      }),
    )
  })

  test('a name of spaces alone is empty', () => {
    fc.assert(fc.property(space, (name) => assert.deepEqual(brokenRules({ name }), ['/name'])))
  })

  test('description and category are kept as they are', () => {
    const fields = fieldsOf({ description: ' two\nlines ', category: ' Home ' })
    assert.deepEqual(newProduct(fields).fields, fields)
  })
})

describe('the numbers of a product', () => {
  test('the price is from 0 to 9999999999.99', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -maxCents, max: 2n * maxCents }), (price) => {
        assert.deepEqual(brokenRules({ price }), price >= 0n && price <= maxCents ? [] : ['/price'])
      }),
      { examples: [-1n, 0n, maxCents, maxCents + 1n].map((price) => [price]) },
    )
  })

  test('the stock is a whole number from 0 to 2147483647', () => {
    const edges = [-1, 0, 2_147_483_647, 2_147_483_648, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()), (stock) => {
        const allowed = Number.isInteger(stock) && stock >= 0 && stock <= 2_147_483_647
        assert.deepEqual(brokenRules({ stock }), allowed ? [] : ['/stock'])
      }),
      { examples: edges.map((stock) => [stock]) },
    )
  })
})

test('every rule that is broken is named at once', () => {
  const broken = {
    name: ' ',
    description: '\0',
    category: 'x'.repeat(101),
    price: -1n,
    stock: -1,
  }
  assert.throws(() => newProduct(broken), {
    code: 'invalid',
    message:
      'name must not be empty; description must not contain NUL characters or lone surrogates; ' +
      'category must have at most 100 characters; price must be from 0 to 9999999999.99; ' +
      'stock must be a whole number from 0 to 2147483647',
  })
  assert.deepEqual(brokenRules(broken), ['/name', '/description', '/category', '/price', '/stock'])
})

test('any set of broken rules is reported as that set', () => {
  const broken = { name: '', description: '\0', category: '\ud800', price: -1n, stock: 0.5 }
  const fields = Object.keys(broken) as (keyof typeof broken)[]
  fc.assert(
    fc.property(fc.subarray(fields), (chosen) => {
      const given = Object.fromEntries(chosen.map((field) => [field, broken[field]]))
      assert.deepEqual(
        brokenRules(given),
        chosen.map((field) => `/${field}`),
      )
    }),
  )
})

describe('a revision', () => {
  test('changes the given fields and nothing else', () => {
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
        const given = Object.fromEntries(chosen.map((field) => [field, changes[field]]))
        const expected = { ...stored, ...given, ...('name' in given && { name: 'Floor Lamp' }) }
        assert.deepEqual(reviseProduct(stored, given).product, expected)
      }),
    )
  })

  test('leaves the product that it started from alone', () => {
    const before = structuredClone(stored)
    reviseProduct(stored, { name: ' x ', stock: 1 })
    assert.deepEqual(stored, before)
  })

  test('obeys the rules of a new product', () => {
    assert.deepEqual(
      brokenBy(() => reviseProduct(stored, { name: '  ', price: maxCents + 1n, stock: -1 })),
      ['/name', '/price', '/stock'],
    )
  })
})

/** The events of a revision. */
const eventsOf = (before: Partial<Product>, changes: Partial<ProductFields>) =>
  reviseProduct({ ...stored, ...before }, changes).events

describe('what happens to a product', () => {
  test('is its creation, and nothing more, however few pieces there are', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 10, 11, 2_147_483_647), (stock) => {
        assert.deepEqual(newProduct(fieldsOf({ stock })).events, [{ type: 'product_created' }])
      }),
    )
  })

  test('is its update, with the fields that are others than before', () => {
    const changes = { name: 'Floor Lamp', description: '', category: 'Lighting', price: 0n, stock: 6 }
    const fields = Object.keys(changes) as (keyof typeof changes)[]
    const { name, description, category, price, stock } = stored
    const same = { name: ` ${name} `, description, category, price, stock }
    fc.assert(
      fc.property(fc.subarray(fields), fc.subarray(fields), (others, given) => {
        const pick = (from: typeof changes, chosen: readonly (keyof typeof changes)[]) =>
          Object.fromEntries(chosen.map((field) => [field, from[field]]))
        assert.deepEqual(eventsOf({}, { ...pick(same, given), ...pick(changes, others) }), [
          { type: 'product_updated', changed: others },
        ])
      }),
    )
  })

  test('is an update without a field when a revision changes nothing', () => {
    assert.deepEqual(eventsOf({}, {}), [{ type: 'product_updated', changed: [] }])
  })

  test('is low stock too when a revision crosses the threshold of ten, and in no other case', () => {
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

  test('is no low stock when it is low, and something else changes', () => {
    assert.deepEqual(eventsOf({ stock: 3 }, { price: 1n }), [{ type: 'product_updated', changed: ['price'] }])
  })

  test('is its deletion, which leaves no product', () => {
    assert.deepEqual(removeProduct(), { product: undefined, events: [{ type: 'product_deleted' }] })
  })
})

describe('what a write expects of a product', () => {
  const stale = {
    kind: 'stale',
    code: 'stale_version',
    message: 'precondition failed: product 7 is at version 3',
  }

  test('holds for one that is there, unless it names versions: then for one of those alone', () => {
    assert.equal(requireExisting(7, stored, 'anything'), stored)
    assert.equal(requireExisting(7, stored, 'existing'), stored)
    const versions = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 })
    fc.assert(
      fc.property(versions, (expected) => {
        const write = () =>
          requireExisting(
            7,
            stored,
            expected.map((version) => ({ version })),
          )
        if (expected.includes(3)) assert.equal(write(), stored)
        else assert.throws(write, stale)
      }),
      { examples: [[[]], [[3]], [[2]], [[4]], [[2, 3]], [[3, 1]]] },
    )
  })

  test('holds for none when the list of versions is empty', () => {
    assert.throws(() => requireExisting(7, stored, []), stale)
  })

  test('does not matter when there is no product: that is not_found', () => {
    const expectations = ['anything', 'existing', [], [{ version: 3 }]] as const
    for (const expected of expectations)
      assert.throws(() => requireExisting(7, undefined, expected), {
        kind: 'not_found',
        code: 'not_found',
        message: 'product 7 not found',
      })
  })
})

test('a text is a category to ask for when a product could have it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: character, maxLength: 200 }), notStorable), (category) => {
      const broken = brokenBy(() => parseCategory(category))
      assert.deepEqual(broken, brokenRules({ category }))
      if (broken.length === 0) assert.equal(parseCategory(category), category)
    }),
  )
})

test('an unknown product is not_found, by its id', () => {
  assert.equal(productNotFound(7).kind, 'not_found')
  assert.equal(productNotFound(7).code, 'not_found')
  assert.equal(productNotFound(7).message, 'product 7 not found')
})
