import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { codeOf } from '@shop/kernel/errors.ts'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { type Product, removeProduct, requireExisting } from '../../src/domain/product.ts'
import { byId, lowestStockFirst } from '../../src/domain/product-reader.ts'
import { postgresProductRepository } from '../../src/infrastructure/postgres-product-repository.ts'
import { inOrder, insertProducts, someProducts, walk } from '../support/listing.ts'
import { everySort, sortEntries } from '../support/sorts.ts'
import { changeProduct, creationOf, deleteProduct, engines, fieldsOf, type Store } from '../support/store.ts'

const unknownId = 2_147_483_647
const notFound = { code: 'not_found', message: 'product 2147483647 not found' }

for (const { engine, open, skip } of engines)
  describe(`products in ${engine}`, { skip }, () => {
    let store: Store
    before(async () => {
      store = await open()
    })
    beforeEach(async () => {
      await store.database.deleteFrom('products').execute()
      store.published.length = 0
    })
    after(() => store[Symbol.asyncDispose]())

    const all = async (): Promise<readonly Product[]> =>
      (await store.reader.list({ sort: byId, limit: 1_000 })).products

    describe('add', () => {
      test('gives an id, version 1, and the time to the millisecond', async () => {
        const { id, version, createdAt, updatedAt, ...fields } = await store.products.add(creationOf())
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
        const added = await Promise.all(Array.from({ length: 30 }, () => store.products.add(creationOf())))
        assert.equal(new Set(added.map(({ id }) => id)).size, 30)
      })

      test('keeps texts as they are, up to the longest', async () => {
        const texts = [
          { name: '\u{1F600}'.repeat(200), description: 'é'.repeat(5_000), category: '書'.repeat(100) },
          { name: `'; drop table products; --`, description: '$1 \\ " \u0001\n', category: '%_' },
          { name: 'x', description: '', category: '' },
        ]
        for (const text of texts) {
          const { id } = await store.products.add(creationOf(text))
          const { name, description, category } = (await store.reader.find(id)) ?? {}
          assert.deepEqual({ name, description, category }, text)
        }
      })

      test('keeps money exact to the cent', async () => {
        const price = fc.bigInt({ min: 0n, max: 999_999_999_999n })
        await fc.assert(
          fc.asyncProperty(price, async (cents) => {
            const { id, price: added } = await store.products.add(creationOf({ price: cents }))
            assert.equal(added, cents)
            assert.equal((await store.reader.find(id))?.price, cents)
          }),
          { numRuns: 30, examples: [[0n], [1n], [9n], [10n], [100n], [999_999_999_999n]] },
        )
      })
    })

    describe('find', () => {
      test('gives the product as it was stored', async () => {
        const added = await store.products.add(creationOf())
        await store.products.add(creationOf({ name: 'Another' }))
        assert.deepEqual(await store.reader.find(added.id), added)
      })

      test('gives undefined for an unknown id', async () => {
        assert.equal(await store.reader.find(unknownId), undefined)
      })

      test('gives many in order of id, each once, and leaves out unknown ids', async () => {
        const { id: _, ...product } = await store.products.add(creationOf())
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
        const added = await store.products.add(creationOf())
        const fields = { name: 'x', description: '', price: 0n, stock: 0, category: '' }
        const updated = await changeProduct(store.products, added.id, (product) => {
          assert.deepEqual(product, added)
          return { ...product, ...fields }
        })
        assert.deepEqual(updated, { ...added, ...fields, version: 2, updatedAt: updated.updatedAt })
        assert.ok(updated.updatedAt >= added.updatedAt)
        assert.deepEqual(await store.reader.find(added.id), updated)
      })

      test('changes one product alone', async () => {
        const [one, other] = [await store.products.add(creationOf()), await store.products.add(creationOf())]
        await changeProduct(store.products, one.id, (product) => ({ ...product, name: 'x' }))
        assert.deepEqual(await store.reader.find(other.id), other)
      })

      test('takes id, version and times from the store and not from the change', async () => {
        const added = await store.products.add(creationOf())
        const updated = await changeProduct(store.products, added.id, (product) => ({
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
        const { id, stock } = await store.products.add(creationOf())
        const addOne = () =>
          changeProduct(store.products, id, (product) => ({ ...product, stock: product.stock + 1 }))
        const updated = await Promise.all(Array.from({ length: 50 }, addOne))
        assert.equal(new Set(updated.map(({ version }) => version)).size, 50)
        const product = await store.reader.find(id)
        assert.equal(product?.stock, stock + 50)
        assert.equal(product.version, 51)
      })

      test('lets one of many that expect the same version go on', async () => {
        const { id } = await store.products.add(creationOf())
        const updates = Array.from({ length: 10 }, (_, index) =>
          store.products.update(id, (stored) => ({
            product: { ...requireExisting(id, stored, [{ version: 1 }]), stock: index },
            events: [{ type: 'low_stock', stock: index, threshold: 10 }],
          })),
        )
        const failures = (await Promise.allSettled(updates)).filter(({ status }) => status === 'rejected')
        assert.equal(failures.length, 9)
        const product = await store.reader.find(id)
        assert.equal(product?.version, 2)
        assert.deepEqual(store.published.slice(1), [
          { type: 'low_stock', stock: product.stock, threshold: 10, productId: id, version: 2 },
        ])
      })

      test('brings nothing back that is deleted meanwhile', async () => {
        for (let round = 0; round < 20; round++) {
          const { id } = await store.products.add(creationOf())
          const raise = () =>
            changeProduct(store.products, id, (product) => ({ ...product, stock: product.stock + 1 }))
          const remove = () => deleteProduct(store.products, id)
          const outcomes = await Promise.allSettled([raise(), raise(), remove(), raise(), remove(), raise()])
          const removed = [outcomes[2], outcomes[4]].filter((outcome) => outcome?.status === 'fulfilled')
          assert.equal(removed.length, 1)
          for (const outcome of outcomes)
            assert.ok(outcome.status === 'fulfilled' || codeOf(outcome.reason) === 'not_found')
          assert.equal(await store.reader.find(id), undefined)
          const raised = outcomes.filter(({ status }) => status === 'fulfilled').length - 1
          const told = store.published.splice(0).map(({ type, version }) => `${type} ${version}`)
          assert.deepEqual(
            told.toSorted(),
            [
              'product_created 1',
              ...Array.from({ length: raised }, (_, index) => `product_updated ${index + 2}`),
              `product_deleted ${raised + 1}`,
            ].toSorted(),
          )
        }
      })

      test('passes on what the change throws, and writes nothing', async () => {
        const added = await store.products.add(creationOf())
        const reason = new Error('not like this')
        const update = store.products.update(added.id, () => {
          throw reason
        })
        await assert.rejects(update, (error) => error === reason)
        assert.deepEqual(await store.reader.find(added.id), added)
        assert.deepEqual(
          store.published.map(({ type }) => type),
          ['product_created'],
        )
        await changeProduct(store.products, added.id, (product) => product)
      })

      test('of an unknown id asks for a change of nothing, passes on what that throws, and makes nothing', async () => {
        const asked: unknown[] = []
        const update = store.products.update(unknownId, (stored) => {
          asked.push(stored)
          return { product: requireExisting(unknownId, stored, 'anything'), events: [] }
        })
        await assert.rejects(update, notFound)
        assert.deepEqual(asked, [undefined])
        assert.deepEqual(await all(), [])
        assert.deepEqual(store.published, [])
      })

      test('makes no product where there is none, whatever the change says', async () => {
        const product = await store.products.add(creationOf())
        store.published.length = 0
        const update = store.products.update(unknownId, () => ({
          product: { ...product, id: unknownId },
          events: [{ type: 'product_updated', changed: [] }],
        }))
        await assert.rejects(update, /cannot create a product/)
        assert.deepEqual(await all(), [product])
        assert.deepEqual(store.published, [])
      })

      test('does not bring back a product that was removed meanwhile', async () => {
        const { id } = await store.products.add(creationOf())
        await deleteProduct(store.products, id)
        await assert.rejects(
          changeProduct(store.products, id, (product) => product),
          { code: 'not_found' },
        )
        assert.deepEqual(await all(), [])
      })
    })

    describe('remove', () => {
      test('removes that product and no other', async () => {
        const [one, other] = [await store.products.add(creationOf()), await store.products.add(creationOf())]
        const removal = store.products.update(one.id, (product) => {
          assert.deepEqual(product, one)
          return removeProduct()
        })
        assert.equal(await removal, undefined)
        assert.deepEqual(await all(), [other])
      })

      test('keeps the product when it is not as expected, and passes that on', async () => {
        const added = await store.products.add(creationOf())
        const removal = store.products.update(added.id, (stored) => {
          requireExisting(added.id, stored, [{ version: 2 }])
          return removeProduct()
        })
        await assert.rejects(removal, { code: 'stale_version' })
        assert.deepEqual(await all(), [added])
        assert.deepEqual(
          store.published.map(({ type }) => type),
          ['product_created'],
        )
      })

      test('of an unknown id is not_found', async () => {
        await store.products.add(creationOf())
        await assert.rejects(deleteProduct(store.products, unknownId), notFound)
        assert.equal((await all()).length, 1)
      })

      test('of an unknown id asks for a change of nothing, and a removal of that makes and tells nothing', async () => {
        const asked: unknown[] = []
        const removal = store.products.update(unknownId, (stored) => {
          asked.push(stored)
          return removeProduct()
        })
        assert.equal(await removal, undefined)
        assert.deepEqual(asked, [undefined])
        assert.deepEqual(await all(), [])
        assert.deepEqual(store.published, [])
      })

      test('never gives the id of a removed product to another', async () => {
        const removed = await store.products.add(creationOf())
        await deleteProduct(store.products, removed.id)
        assert.ok((await store.products.add(creationOf())).id > removed.id)
      })
    })

    describe('events', () => {
      test('are published once for each write, with the id, and the version that it led to', async () => {
        const [one, other] = [await store.products.add(creationOf()), await store.products.add(creationOf())]
        const low = { type: 'low_stock', stock: 3, threshold: 10 } as const
        const updated = { type: 'product_updated', changed: ['stock'] } as const
        await store.products.update(one.id, (stored) => ({
          product: { ...requireExisting(one.id, stored, 'anything'), stock: 3 },
          events: [updated, low],
        }))
        await store.products.update(one.id, (stored) => ({
          product: requireExisting(one.id, stored, 'anything'),
          events: [],
        }))
        await deleteProduct(store.products, one.id)
        assert.deepEqual(store.published, [
          { type: 'product_created', productId: one.id, version: 1 },
          { type: 'product_created', productId: other.id, version: 1 },
          { ...updated, productId: one.id, version: 2 },
          { ...low, productId: one.id, version: 2 },
          { type: 'product_deleted', productId: one.id, version: 3 },
        ])
      })

      /** Writes the product as it is, and tells which version it was. */
      const tellVersion = (products: Store['products'], id: number) =>
        products.update(id, (stored) => {
          const product = requireExisting(id, stored, 'anything')
          return { product, events: [{ type: 'low_stock', stock: product.version, threshold: 10 }] }
        })

      test('come once for each version when fifty writes race, in whichever order', async () => {
        const { id } = await store.products.add(creationOf())
        store.published.length = 0
        await Promise.all(Array.from({ length: 50 }, () => tellVersion(store.products, id)))
        assert.deepEqual(
          store.published.toSorted((one, other) => one.version - other.version),
          Array.from({ length: 50 }, (_, index) => ({
            type: 'low_stock',
            stock: index + 1,
            threshold: 10,
            productId: id,
            version: index + 2,
          })),
        )
      })

      /** The first read gives a product at the version before: as if another process had written it since. */
      const outdatedProducts = ({ database, published }: Store) => {
        let reads = 0
        const outdated = database.withPlugin({
          transformQuery: ({ node }) => node,
          transformResult: async ({ result }) => {
            const rows = result.rows.map((row) => ({ ...row, version: Number(row['version']) - 1 }))
            return reads++ === 0 ? { ...result, rows } : result
          },
        })
        return postgresProductRepository(outdated, (events) => published.push(...events))
      }

      test('are those of the change that took effect, when another write came first', async () => {
        const { id } = await store.products.add(creationOf())
        await changeProduct(store.products, id, (product) => product)
        store.published.length = 0
        const { version } = await tellVersion(outdatedProducts(store), id)
        assert.equal(version, 3)
        await deleteProduct(outdatedProducts(store), id)
        assert.deepEqual(store.published, [
          { type: 'low_stock', stock: 2, threshold: 10, productId: id, version: 3 },
          { type: 'product_deleted', productId: id, version: 3 },
        ])
      })

      test('are none when the change throws that is made of what another write left', async () => {
        const { id } = await store.products.add(creationOf())
        await changeProduct(store.products, id, (product) => product)
        store.published.length = 0
        const seen: number[] = []
        const write = outdatedProducts(store).update(id, (stored) => {
          seen.push(requireExisting(id, stored, 'anything').version)
          return {
            product: requireExisting(id, stored, [{ version: 1 }]),
            events: [{ type: 'product_created' }],
          }
        })
        await assert.rejects(write, { code: 'stale_version' })
        assert.deepEqual(seen, [1, 2])
        assert.equal((await store.reader.find(id))?.version, 2)
        assert.deepEqual(store.published, [])
      })

      test('are told of one removal when several race', async () => {
        const { id } = await store.products.add(creationOf())
        store.published.length = 0
        await Promise.all(Array.from({ length: 10 }, () => store.products.update(id, removeProduct)))
        assert.deepEqual(store.published, [{ type: 'product_deleted', productId: id, version: 1 }])
      })

      test('are published when others can see what was written', async () => {
        await using own = await open()
        const { id } = await own.products.add(creationOf())
        const seen: Promise<readonly [published: number, stored: number | undefined]>[] = []
        own.events.subscribe(({ version }) =>
          seen.push(own.reader.find(id).then((product) => [version, product?.version] as const)),
        )
        await Promise.all(
          Array.from({ length: 20 }, () => changeProduct(own.products, id, (product) => product)),
        )
        for (const [published, stored] of await Promise.all(seen))
          assert.ok(stored !== undefined && stored >= published, `${stored} at the event of ${published}`)
        assert.equal(seen.length, 20)
      })

      test('are none of a write that fails at its very end', async () => {
        await using own = await open()
        const { id } = await own.products.add(creationOf())
        await sql`
          create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'refused at the commit'; end $$`.execute(own.database)
        await sql`
          create constraint trigger refuse after update on products deferrable initially deferred
          for each row when (new.name = 'Refused') execute function refuse()`.execute(own.database)
        const refused = (product: Product) => ({ ...product, name: 'Refused' })
        for (const products of [own.products, outdatedProducts(own)])
          await assert.rejects(changeProduct(products, id, refused), /refused at the commit/)
        await deleteProduct(own.products, id)
        assert.deepEqual(
          own.published.map(({ type, version }) => [type, version]),
          [
            ['product_created', 1],
            ['product_deleted', 1],
          ],
        )
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
              if (left !== undefined) await deleteProduct(store.products, left.id)
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
        for (const name of ['a', 'b']) await store.products.add(creationOf({ name }))
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
