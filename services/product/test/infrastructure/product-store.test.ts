import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { codeOf } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { expectVersion, type Product } from '../../src/domain/product.ts'
import { byId, lowestStockFirst } from '../../src/domain/product-reader.ts'
import { inOrder, insertProducts, someProducts, walk } from '../support/listing.ts'
import { everySort, sortEntries } from '../support/sorts.ts'
import { engines, fieldsOf, type Store } from '../support/store.ts'

const unknownId = 2_147_483_647
const notFound = { code: 'not_found', message: 'there is no product 2147483647' }

for (const { engine, open, skip } of engines)
  describe(`products in ${engine}`, { skip }, () => {
    let store: Store
    before(async () => {
      store = await open()
    })
    beforeEach(() => store.database.deleteFrom('products').execute())
    after(() => store[Symbol.asyncDispose]())

    const all = async (): Promise<readonly Product[]> =>
      (await store.reader.list({ sort: byId, limit: 1_000 })).products

    describe('add', () => {
      test('gives an id, version 1, and the time to the millisecond', async () => {
        const { id, version, createdAt, updatedAt, ...fields } = await store.products.add(fieldsOf())
        assert.deepEqual(fields, fieldsOf())
        assert.ok(Number.isInteger(id) && id > 0)
        assert.equal(version, 1)
        assert.deepEqual(updatedAt, createdAt)
        assert.ok(Math.abs(createdAt.getTime() - Date.now()) < 60_000)
        const { rows } = await sql`
          select from products where created_at <> date_trunc('milliseconds', created_at)`.execute(
          store.database,
        )
        assert.equal(rows.length, 0)
      })

      test('gives every product an id of its own, also to many at once', async () => {
        const added = await Promise.all(Array.from({ length: 30 }, () => store.products.add(fieldsOf())))
        assert.equal(new Set(added.map(({ id }) => id)).size, 30)
      })

      test('keeps texts as they are, up to the longest', async () => {
        const texts = [
          { name: '\u{1F600}'.repeat(200), description: 'é'.repeat(5_000), category: '書'.repeat(100) },
          { name: `'; drop table products; --`, description: '$1 \\ " \u0001\n', category: '%_' },
          { name: 'x', description: '', category: '' },
        ]
        for (const text of texts) {
          const { id } = await store.products.add(fieldsOf(text))
          const { name, description, category } = (await store.reader.find(id)) ?? {}
          assert.deepEqual({ name, description, category }, text)
        }
      })

      test('keeps money exact to the cent', async () => {
        const price = fc.bigInt({ min: 0n, max: 999_999_999_999n })
        await fc.assert(
          fc.asyncProperty(price, async (cents) => {
            const { id, price: added } = await store.products.add(fieldsOf({ price: cents }))
            assert.equal(added, cents)
            assert.equal((await store.reader.find(id))?.price, cents)
          }),
          { numRuns: 30, examples: [[0n], [1n], [9n], [10n], [100n], [999_999_999_999n]] },
        )
      })
    })

    describe('find', () => {
      test('gives the product as it was stored', async () => {
        const added = await store.products.add(fieldsOf())
        await store.products.add(fieldsOf({ name: 'Another' }))
        assert.deepEqual(await store.reader.find(added.id), added)
      })

      test('gives undefined for an unknown id', async () => {
        assert.equal(await store.reader.find(unknownId), undefined)
      })

      test('gives many in order of id, each once, and leaves out unknown ids', async () => {
        const { id: _, ...product } = await store.products.add(fieldsOf())
        const [four, three, two, one] = [4, 3, 2, 1].map((id) => ({ id, ...product }))
        assert.ok(four && three && two && one)
        await insertProducts(store.database, [four, three, two, one])
        assert.deepEqual(await store.reader.findMany([4, unknownId, 1, 2, 1]), [one, two, four])
        assert.deepEqual(await store.reader.findMany([unknownId]), [])
        assert.deepEqual(await store.reader.findMany([]), [])
      })
    })

    describe('update', () => {
      test('stores what the change makes of the product, as its next version', async () => {
        const added = await store.products.add(fieldsOf())
        const fields = { name: 'x', description: '', price: 0n, stock: 0, category: '' }
        const updated = await store.products.update(added.id, (product) => {
          assert.deepEqual(product, added)
          return { ...product, ...fields }
        })
        assert.deepEqual(updated, { ...added, ...fields, version: 2, updatedAt: updated.updatedAt })
        assert.ok(updated.updatedAt >= added.updatedAt)
        assert.deepEqual(await store.reader.find(added.id), updated)
      })

      test('changes one product alone', async () => {
        const [one, other] = [await store.products.add(fieldsOf()), await store.products.add(fieldsOf())]
        await store.products.update(one.id, (product) => ({ ...product, name: 'x' }))
        assert.deepEqual(await store.reader.find(other.id), other)
      })

      test('takes id, version and times from the store and not from the change', async () => {
        const added = await store.products.add(fieldsOf())
        const updated = await store.products.update(added.id, (product) => ({
          ...product,
          id: unknownId,
          version: 99,
          createdAt: new Date(0),
          updatedAt: new Date(0),
        }))
        assert.deepEqual(updated, { ...added, version: 2, updatedAt: updated.updatedAt })
        assert.ok(updated.updatedAt >= added.updatedAt)
      })

      test('is atomic: fifty at once all take effect', async () => {
        const { id, stock } = await store.products.add(fieldsOf())
        const addOne = () =>
          store.products.update(id, (product) => ({ ...product, stock: product.stock + 1 }))
        const updated = await Promise.all(Array.from({ length: 50 }, addOne))
        assert.equal(new Set(updated.map(({ version }) => version)).size, 50)
        const product = await store.reader.find(id)
        assert.equal(product?.stock, stock + 50)
        assert.equal(product.version, 51)
      })

      test('lets one of many that expect the same version go on', async () => {
        const { id } = await store.products.add(fieldsOf())
        const updates = Array.from({ length: 10 }, (_, index) =>
          store.products.update(id, (product) => {
            expectVersion(1)(product)
            return { ...product, stock: index }
          }),
        )
        const failures = (await Promise.allSettled(updates)).filter(({ status }) => status === 'rejected')
        assert.equal(failures.length, 9)
        assert.equal((await store.reader.find(id))?.version, 2)
      })

      test('brings nothing back that is deleted meanwhile', async () => {
        for (let round = 0; round < 20; round++) {
          const { id } = await store.products.add(fieldsOf())
          const raise = () =>
            store.products.update(id, (product) => ({ ...product, stock: product.stock + 1 }))
          const remove = () => store.products.remove(id, () => {})
          const outcomes = await Promise.allSettled([raise(), raise(), remove(), raise(), remove(), raise()])
          const removed = [outcomes[2], outcomes[4]].filter((outcome) => outcome?.status === 'fulfilled')
          assert.equal(removed.length, 1)
          for (const outcome of outcomes)
            assert.ok(outcome.status === 'fulfilled' || codeOf(outcome.reason) === 'not_found')
          assert.equal(await store.reader.find(id), undefined)
        }
      })

      test('passes on what the change throws, and writes nothing', async () => {
        const added = await store.products.add(fieldsOf())
        const reason = new Error('not like this')
        const update = store.products.update(added.id, () => {
          throw reason
        })
        await assert.rejects(update, (error) => error === reason)
        assert.deepEqual(await store.reader.find(added.id), added)
        await store.products.update(added.id, (product) => product)
      })

      test('of an unknown id is not_found, asks for no change, and makes nothing', async () => {
        const update = store.products.update(unknownId, () => assert.fail('there is nothing to change'))
        await assert.rejects(update, notFound)
        assert.deepEqual(await all(), [])
      })

      test('does not bring back a product that was removed meanwhile', async () => {
        const { id } = await store.products.add(fieldsOf())
        await store.products.remove(id, () => {})
        await assert.rejects(
          store.products.update(id, (product) => product),
          { code: 'not_found' },
        )
        assert.deepEqual(await all(), [])
      })
    })

    describe('remove', () => {
      test('removes that product and no other', async () => {
        const [one, other] = [await store.products.add(fieldsOf()), await store.products.add(fieldsOf())]
        await store.products.remove(one.id, (product) => assert.deepEqual(product, one))
        assert.deepEqual(await all(), [other])
      })

      test('keeps the product when the precondition throws, and passes that on', async () => {
        const added = await store.products.add(fieldsOf())
        await assert.rejects(store.products.remove(added.id, expectVersion(2)), { code: 'stale_version' })
        assert.deepEqual(await all(), [added])
      })

      test('of an unknown id is not_found', async () => {
        await store.products.add(fieldsOf())
        await assert.rejects(
          store.products.remove(unknownId, () => {}),
          notFound,
        )
        assert.equal((await all()).length, 1)
      })

      test('never gives the id of a removed product to another', async () => {
        const removed = await store.products.add(fieldsOf())
        await store.products.remove(removed.id, () => {})
        assert.ok((await store.products.add(fieldsOf())).id > removed.id)
      })
    })

    describe('list', () => {
      const pageSize = fc.integer({ min: 1, max: 7 })

      for (const [word, sort] of sortEntries)
        test(`walks all products by ${word}, in the order of the reference`, async () => {
          await fc.assert(
            fc.asyncProperty(someProducts, pageSize, async (products, limit) => {
              await insertProducts(store.database, products)
              assert.deepEqual(await walk(store.reader, { sort, limit }), inOrder(sort, products))
            }),
            { numRuns: 12 },
          )
        })

      test('skips and repeats nothing that stays, while others come and go between the pages', async () => {
        const sort = fc.constantFrom(...everySort)
        const stays = fc.infiniteStream(fc.boolean())
        await fc.assert(
          fc.asyncProperty(sort, someProducts, stays, pageSize, async (by, products, staying, limit) => {
            const kept = products.filter(() => staying.next().value)
            const others = products.filter((product) => !kept.includes(product))
            const [leaving, coming] = [others.filter((_, i) => i % 2 === 0), others.filter((_, i) => i % 2)]
            await insertProducts(store.database, [...kept, ...leaving])

            const disturb = async () => {
              const [left, came] = [leaving.pop(), coming.pop()]
              if (left !== undefined) await store.products.remove(left.id, () => {})
              if (came !== undefined) await insertProducts(store.database, [came], { besides: true })
            }
            const walked = await walk(store.reader, { sort: by, limit }, disturb)
            assert.equal(new Set(walked.map(({ id }) => id)).size, walked.length)
            assert.deepEqual(
              walked.filter(({ id }) => kept.some((one) => one.id === id)),
              inOrder(by, kept),
            )
          }),
          { numRuns: 60 },
        )
      })

      test('keeps to the category, and to the highest stock', async () => {
        const filters = fc.record(
          { category: fc.constantFrom('', 'Home', 'home', 'Höme'), maxStock: fc.constantFrom(0, 1, 2) },
          { requiredKeys: [] },
        )
        const sort = fc.constantFrom(...everySort)
        await fc.assert(
          fc.asyncProperty(someProducts, sort, filters, pageSize, async (products, by, filter, limit) => {
            await insertProducts(store.database, products)
            const { category, maxStock } = filter
            const matching = products.filter(
              (product) =>
                (category === undefined || product.category === category) &&
                (maxStock === undefined || product.stock <= maxStock),
            )
            assert.deepEqual(await walk(store.reader, { sort: by, limit, ...filter }), inOrder(by, matching))
          }),
          { numRuns: 60 },
        )
      })

      test('walks a category by id and low stock by stock, as they are served', async () => {
        await fc.assert(
          fc.asyncProperty(someProducts, pageSize, async (products, limit) => {
            await insertProducts(store.database, products)
            for (const category of ['Home', '']) {
              const ofCategory = products.filter((product) => product.category === category)
              const walked = await walk(store.reader, { sort: byId, category, limit })
              assert.deepEqual(walked, inOrder(byId, ofCategory))
            }
            const low = products.filter(({ stock }) => stock <= 2)
            assert.deepEqual(
              await walk(store.reader, { sort: lowestStockFirst, maxStock: 2, limit }),
              inOrder(lowestStockFirst, low),
            )
          }),
          { numRuns: 30 },
        )
      })

      test('says that there is more only when there is', async () => {
        for (const name of ['a', 'b']) await store.products.add(fieldsOf({ name }))
        const { next: afterOne } = await store.reader.list({ sort: byId, limit: 1 })
        assert.ok(afterOne)
        assert.equal((await store.reader.list({ sort: byId, limit: 2 })).next, undefined)
        assert.equal((await store.reader.list({ sort: byId, limit: 1, after: afterOne })).next, undefined)
      })

      test('of an empty catalog is an empty page', async () => {
        for (const sort of everySort)
          assert.deepEqual(await store.reader.list({ sort, limit: 10 }), { products: [] })
      })
    })
  })
