import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { maxCents } from '@shop/kernel/money.ts'
import * as fc from 'fast-check'
import { limits } from '../../src/domain/product.ts'
import {
  byId,
  lowestStockFirst,
  type Position,
  type ProductSort,
  type SortKey,
} from '../../src/domain/product-reader.ts'
import { decodeCursor, encodeCursor, type Listing } from '../../src/interfaces/page-cursor.ts'
import { sortWord } from '../../src/interfaces/sort-words.ts'
import { allSorts, sortEntries, sorts } from '../support/sorts.ts'

const invalid = {
  code: 'invalid',
  details: {
    errors: [
      { path: '/cursor', message: 'must be the cursor that the previous page of the same list returned' },
    ],
  },
}

const assertRefused = (listing: Listing, cursor: string) =>
  assert.throws(() => decodeCursor(listing, cursor, '/cursor'), invalid)

const integer = fc.integer({ min: 0, max: limits.integer })
const keys: Readonly<Record<SortKey, fc.Arbitrary<Position['key']>>> = {
  id: integer,
  price: fc.bigInt({ min: 0n, max: maxCents }),
  stock: integer,
  name: fc.string({ unit: 'binary', maxLength: limits.name }).filter((name) => !name.includes('\0')),
  createdAt: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
}

const positionIn = ({ by }: ProductSort): fc.Arbitrary<Position> =>
  fc.record({ key: keys[by], id: integer }, { noNullPrototype: true })

const listings: fc.Arbitrary<Listing> = fc.record(
  {
    sort: fc.constantFrom(...allSorts),
    category: fc.string(),
    groupId: fc.option(fc.string()),
    maxStock: integer,
  },
  { requiredKeys: ['sort'] },
)

const encodedPositions = listings.chain((listing) =>
  positionIn(listing.sort).map((position) => ({
    listing,
    position,
    cursor: encodeCursor(listing, position),
  })),
)

/** Builds a cursor with a valid checksum, as anyone who has read the source can. */
const forge = ({ sort, category, maxStock }: Listing, contents: string): string => {
  const position = Buffer.from(contents).toString('base64url')
  const bound = JSON.stringify([sortWord(sort), category ?? null, maxStock ?? null, position])
  return `${position}.${createHash('sha256').update(bound).digest('base64url').slice(0, 12)}`
}

/** One key for each sort. */
const exampleKeys = {
  id: 7,
  price: 14_99n,
  stock: 30,
  name: 'Höhle \u{1F600}',
  createdAt: new Date('2026-11-22T09:58:00.123Z'),
} as const satisfies Record<SortKey, Position['key']>

/** Cursors from an earlier version of the service. Clients hold such cursors, so the encoding must never change. */
const issuedCursors: readonly (readonly [Listing, string])[] = [
  [{ sort: sorts['id'] }, 'WyI3Iiw3XQ.fkPrZxEMpeOw'],
  [{ sort: sorts['-id'] }, 'WyI3Iiw3XQ.uyWspdVzOOpd'],
  [{ sort: sorts['price'] }, 'WyIxNDk5Iiw3XQ.7eXEFFMCdCEh'],
  [{ sort: sorts['-price'] }, 'WyIxNDk5Iiw3XQ.WI4zpR4Gxv_o'],
  [{ sort: sorts['stock'] }, 'WyIzMCIsN10.nflqSFvQhlSm'],
  [{ sort: sorts['-stock'] }, 'WyIzMCIsN10.k3Lw-8_MDumm'],
  [{ sort: sorts['name'] }, 'WyJIw7ZobGUg8J-YgCIsN10.IrEWG93bEhkJ'],
  [{ sort: sorts['-name'] }, 'WyJIw7ZobGUg8J-YgCIsN10.ifX_FA81t3Sv'],
  [{ sort: sorts['created_at'] }, 'WyIyMDI2LTExLTIyVDA5OjU4OjAwLjEyM1oiLDdd.F7HFtyRb3emr'],
  [{ sort: sorts['-created_at'] }, 'WyIyMDI2LTExLTIyVDA5OjU4OjAwLjEyM1oiLDdd.WzVa_duLCVWX'],
  [{ sort: sorts['stock'], maxStock: 30 }, 'WyIzMCIsN10.2crYYuPX_Z2s'],
  [{ sort: sorts['id'], category: 'Home' }, 'WyI3Iiw3XQ.gxdwV-avN0FV'],
  [{ sort: sorts['-price'], category: '', maxStock: 0 }, 'WyIxNDk5Iiw3XQ.NEbt9V-RZ8Rd'],
]

describe('a cursor', () => {
  test('is encoded byte for byte as in earlier versions', () => {
    for (const [listing, cursor] of issuedCursors) {
      const position = { key: exampleKeys[listing.sort.by], id: 7 }
      assert.equal(encodeCursor(listing, position), cursor)
      assert.deepEqual(decodeCursor(listing, cursor, '/cursor'), position)
    }
  })

  for (const [word, sort] of sortEntries)
    test(`decodes to the position that it encodes in a list sorted by ${word}`, () => {
      fc.assert(
        fc.property(positionIn(sort), (position) => {
          assert.deepEqual(decodeCursor({ sort }, encodeCursor({ sort }, position), '/cursor'), position)
        }),
      )
    })

  test('decodes to the position that it encodes in filtered lists', () => {
    fc.assert(
      fc.property(encodedPositions, ({ listing, position, cursor }) => {
        assert.deepEqual(decodeCursor(listing, cursor, '/cursor'), position)
      }),
    )
  })

  test('needs no escaping in a query string and has at most 2048 characters', () => {
    const longest = encodeCursor(
      { sort: sorts.name },
      { key: '\u0001'.repeat(limits.name), id: limits.integer },
    )
    assert.ok(longest.length <= 2_048)
    fc.assert(fc.property(encodedPositions, ({ cursor }) => assert.equal(encodeURIComponent(cursor), cursor)))
  })

  test('is refused if any character is changed, added or removed', () => {
    const edit = fc.record({
      at: fc.nat({ max: 60 }),
      removed: fc.constantFrom(0, 1, 2),
      added: fc.oneof(fc.constantFrom('', '.', '=', 'A'), fc.string({ maxLength: 3 })),
    })
    fc.assert(
      fc.property(encodedPositions, edit, ({ listing, cursor }, { at, removed, added }) => {
        const start = at % (cursor.length + 1)
        const changed = cursor.slice(0, start) + added + cursor.slice(start + removed)
        fc.pre(changed !== cursor)
        assertRefused(listing, changed)
      }),
      { numRuns: 500 },
    )
  })

  test('is refused with trailing characters', () => {
    fc.assert(
      fc.property(
        encodedPositions,
        fc.constantFrom('.', '.x', '.a.b', '=', ' ', '\n'),
        ({ listing, cursor }, suffix) => assertRefused(listing, cursor + suffix),
      ),
    )
  })

  test('is refused by a list with another sort, category, group or maximum stock', () => {
    fc.assert(
      fc.property(encodedPositions, listings, ({ listing, cursor }, other) => {
        fc.pre(JSON.stringify(other) !== JSON.stringify(listing))
        assertRefused(other, cursor)
      }),
    )
    const key = { id: 1, price: 1n, stock: 1, name: '1', createdAt: new Date(1) }
    for (const sort of allSorts)
      for (const other of allSorts.filter((one) => one !== sort))
        assertRefused({ sort: other }, encodeCursor({ sort }, { key: key[sort.by], id: 1 }))
    const cursor = encodeCursor({ sort: lowestStockFirst, maxStock: 1 }, { key: 1, id: 1 })
    for (const other of [{}, { maxStock: 2 }, { maxStock: 1, category: '' }, { maxStock: 1, groupId: 'a' }])
      assertRefused({ sort: lowestStockFirst, ...other }, cursor)
    const groups = [{}, { groupId: 'b' }, { groupId: 'a' }, { category: 'a' }]
    for (const group of groups)
      for (const other of groups.filter((one) => one !== group))
        assertRefused({ sort: byId, ...other }, encodeCursor({ sort: byId, ...group }, { key: 1, id: 1 }))
  })

  test('is refused if it is garbage', () => {
    for (const cursor of ['', '.', '..', 'null', '\0', 'W10.', '\ud800', 'x'.repeat(2_048)])
      assertRefused({ sort: byId }, cursor)
    fc.assert(fc.property(listings, fc.string({ unit: 'binary' }), assertRefused))
  })
})

describe('a forged cursor with a valid checksum', () => {
  // The tests below prove nothing unless `forge` builds cursors that are otherwise valid.
  test('is accepted if its contents are valid', () => {
    const listing = { sort: sorts.price, category: 'Home', maxStock: 3 }
    assert.deepEqual(decodeCursor(listing, forge(listing, '["1499",7]'), '/cursor'), { key: 14_99n, id: 7 })
  })

  test('is refused if its contents are not a string and an id', () => {
    const contents = ['', '[', 'null', '5', '{}', '[]', '["1"]', '[1,1]', '[null,1]', '[["1"],1]', '"11"']
    for (const content of contents) assertRefused({ sort: byId }, forge({ sort: byId }, content))
  })

  test('is refused if the id is not a whole number in range', () => {
    for (const id of ['-1', '1.5', '2147483648', '1e99', '"1"', '[1]', 'null', 'true', '{}', '""'])
      assertRefused({ sort: byId }, forge({ sort: byId }, `["1",${id}]`))
  })

  test('is refused if the key is invalid for the sort', () => {
    const badNumbers = ['', ' ', '-1', '1.5', '1e3', '0x1', 'NaN', 'x', "1'; drop table products"]
    const invalidKeys: Record<SortKey, readonly string[]> = {
      id: [...badNumbers, '2147483648'],
      stock: [...badNumbers, '2147483648'],
      price: [...badNumbers, '9999999999999'],
      name: ['\0', 'a\0b', '\ud800', 'x'.repeat(2 * limits.name + 1)],
      createdAt: ['', 'yesterday', 'NaN', 'infinity', '+275760-09-13', '-271821-04-20', '-004714-01-01'],
    }
    for (const sort of allSorts)
      for (const key of invalidKeys[sort.by])
        assertRefused({ sort }, forge({ sort }, JSON.stringify([key, 1])))
  })

  test('never throws an error other than invalid', () => {
    fc.assert(
      fc.property(listings, fc.json(), fc.json(), (listing, key, id) => {
        for (const contents of [key, `[${key},${id}]`, `[${JSON.stringify(key)},${id}]`]) {
          try {
            decodeCursor(listing, forge(listing, contents), '/cursor')
          } catch (error) {
            assert.equal(Reflect.get(Object(error), 'code'), 'invalid')
          }
        }
      }),
    )
  })
})
