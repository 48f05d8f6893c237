import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { productNotFound } from '../../src/domain/errors.ts'
import {
  expectVersion,
  newProduct,
  type Product,
  type ProductFields,
  reviseProduct,
  validCategory,
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
        assert.equal(newProduct(fieldsOf({ name: before + name + after })).name, name)
      }),
    )
  })

  test('a name of spaces alone is empty', () => {
    fc.assert(fc.property(space, (name) => assert.deepEqual(brokenRules({ name }), ['/name'])))
  })

  test('description and category are kept as they are', () => {
    const fields = fieldsOf({ description: ' two\nlines ', category: ' Home ' })
    assert.deepEqual(newProduct(fields), fields)
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
        assert.deepEqual(reviseProduct(stored, given), expected)
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

test('a write that expects a version goes on with that one alone', () => {
  const version = fc.integer({ min: 1, max: 5 })
  fc.assert(
    fc.property(version, version, (seen, now) => {
      const write = () => expectVersion(seen)({ ...stored, version: now })
      if (seen === now) write()
      else
        assert.throws(write, {
          kind: 'stale',
          code: 'stale_version',
          message: `version is ${now} by now, not ${seen}`,
        })
    }),
  )
})

test('a text is a category to ask for when a product could have it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: character, maxLength: 200 }), notStorable), (category) => {
      const broken = brokenBy(() => validCategory(category))
      assert.deepEqual(broken, brokenRules({ category }))
      if (broken.length === 0) assert.equal(validCategory(category), category)
    }),
  )
})

test('an unknown product is not_found, by its id', () => {
  assert.equal(productNotFound(7).kind, 'not_found')
  assert.equal(productNotFound(7).code, 'not_found')
  assert.equal(productNotFound(7).message, 'there is no product 7')
})
