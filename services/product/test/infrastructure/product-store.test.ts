import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { codeOf } from '@shop/kernel/errors.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import * as fc from 'fast-check'
import { sql } from 'kysely'
import { type Product, removeProduct, requireExisting } from '../../src/domain/product.ts'
import { byId, lowestStockFirst } from '../../src/domain/product-reader.ts'
import { postgresProductRepository } from '../../src/infrastructure/postgres-product-repository.ts'
import { anyProducts, insertProducts, readAllPages, readPages, sortProducts } from '../support/listing.ts'
import { allSorts, sortEntries } from '../support/sorts.ts'
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

    const listAll = async (): Promise<readonly Product[]> =>
      (await store.reader.list({ sort: byId, limit: 1_000 })).products

    describe('add', () => {
      test('assigns an id, version 1 and the time to the millisecond', async () => {
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

      test('assigns unique ids to concurrent additions', async () => {
        const added = await Promise.all(Array.from({ length: 30 }, () => store.products.add(creationOf())))
        assert.equal(new Set(added.map(({ id }) => id)).size, 30)
      })

      test('stores strings unchanged, up to the maximum length', async () => {
        const products = [
          { name: '\u{1F600}'.repeat(200), description: 'é'.repeat(5_000), category: '書'.repeat(100) },
          { name: `'; drop table products; --`, description: '$1 \\ " \u0001\n', category: '%_' },
          { name: 'x', description: '', category: '' },
        ]
        for (const strings of products) {
          // Without the rules for new products, because older products may break them.
          const { id } = await store.products.add({ fields: fieldsOf(strings), events: [] })
          const { name, description, category } = (await store.reader.find(id)) ?? {}
          assert.deepEqual({ name, description, category }, strings)
        }
      })

      test('stores prices exactly to the cent', async () => {
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
      test('returns the product as stored', async () => {
        const added = await store.products.add(creationOf())
        await store.products.add(creationOf({ name: 'Another' }))
        assert.deepEqual(await store.reader.find(added.id), added)
      })

      test('returns undefined for an unknown id', async () => {
        assert.equal(await store.reader.find(unknownId), undefined)
      })

      test('returns several products in id order without duplicates, and omits unknown ids', async () => {
        const { id: _, ...product } = await store.products.add(creationOf())
        const [four, three, two, one] = [4, 3, 2, 1].map((id) => ({ id, ...product }))
        assert.ok(four && three && two && one)
        await insertProducts(store.database, [four, three, two, one])
        assert.deepEqual(await store.reader.findMany([4, unknownId, 1, 2, 1]), [one, two, four])
        assert.deepEqual(await store.reader.findMany([unknownId]), [])
        assert.deepEqual(await store.reader.findMany([]), [])
        const summaries = [one, two, four].map(({ description: _description, ...summary }) => summary)
        assert.deepEqual(await store.reader.findSummaries([4, unknownId, 1, 2, 1]), summaries)
      })
    })

    describe('update', () => {
      test('stores the changed product as its next version', async () => {
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

      test('changes no other product', async () => {
        const [one, other] = [await store.products.add(creationOf()), await store.products.add(creationOf())]
        await changeProduct(store.products, one.id, (product) => ({ ...product, name: 'x' }))
        assert.deepEqual(await store.reader.find(other.id), other)
      })

      test('takes id, version and times from the store, not from the change', async () => {
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

      test('is atomic: fifty concurrent updates all take effect', async () => {
        const { id, stock } = await store.products.add(creationOf())
        const addOne = () =>
          changeProduct(store.products, id, (product) => ({ ...product, stock: product.stock + 1 }))
        const updated = await Promise.all(Array.from({ length: 50 }, addOne))
        assert.equal(new Set(updated.map(({ version }) => version)).size, 50)
        const product = await store.reader.find(id)
        assert.equal(product?.stock, stock + 50)
        assert.equal(product.version, 51)
      })

      test('lets only one of ten concurrent updates that expect the same version succeed', async () => {
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

      test('lets only one of ten concurrent updates succeed that expect that the next version is not stored', async () => {
        const { id } = await store.products.add(creationOf())
        const updates = Array.from({ length: 10 }, (_, stock) =>
          store.products.update(id, (stored) => ({
            product: { ...requireExisting(id, stored, { not: [{ version: 2 }] }), stock },
            events: [],
          })),
        )
        const failures = (await Promise.allSettled(updates)).filter(({ status }) => status === 'rejected')
        assert.equal(failures.length, 9)
        assert.equal((await store.reader.find(id))?.version, 2)
      })

      test('does not recreate a product that is removed concurrently', async () => {
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
          const events = store.published.splice(0).map(({ type, version }) => `${type} ${version}`)
          assert.deepEqual(
            events.toSorted(),
            [
              'product_created 1',
              ...Array.from({ length: raised }, (_, index) => `product_updated ${index + 2}`),
              `product_deleted ${raised + 1}`,
            ].toSorted(),
          )
        }
      })

      test('rejects with the error that the change throws, and writes nothing', async () => {
        const added = await store.products.add(creationOf())
        const reason = new Error('refused by the change')
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

      test('passes undefined to the change for an unknown id and rejects with its error', async () => {
        const inputs: unknown[] = []
        const update = store.products.update(unknownId, (stored) => {
          inputs.push(stored)
          return { product: requireExisting(unknownId, stored, 'anything'), events: [] }
        })
        await assert.rejects(update, notFound)
        assert.deepEqual(inputs, [undefined])
        assert.deepEqual(await listAll(), [])
        assert.deepEqual(store.published, [])
      })

      test('creates no product for an unknown id, even if the change returns one', async () => {
        const product = await store.products.add(creationOf())
        store.published.length = 0
        const update = store.products.update(unknownId, () => ({
          product: { ...product, id: unknownId },
          events: [{ type: 'product_updated', changed: [] }],
        }))
        await assert.rejects(update, /cannot create a product/)
        assert.deepEqual(await listAll(), [product])
        assert.deepEqual(store.published, [])
      })

      test('rejects with not_found for a removed product', async () => {
        const { id } = await store.products.add(creationOf())
        await deleteProduct(store.products, id)
        await assert.rejects(
          changeProduct(store.products, id, (product) => product),
          { code: 'not_found' },
        )
        assert.deepEqual(await listAll(), [])
      })
    })

    describe('remove', () => {
      test('removes no other product', async () => {
        const [one, other] = [await store.products.add(creationOf()), await store.products.add(creationOf())]
        const removal = store.products.update(one.id, (product) => {
          assert.deepEqual(product, one)
          return removeProduct()
        })
        assert.equal(await removal, undefined)
        assert.deepEqual(await listAll(), [other])
      })

      test('keeps the product and rejects with the error if the change throws stale_version', async () => {
        const added = await store.products.add(creationOf())
        const removal = store.products.update(added.id, (stored) => {
          requireExisting(added.id, stored, [{ version: 2 }])
          return removeProduct()
        })
        await assert.rejects(removal, { code: 'stale_version' })
        assert.deepEqual(await listAll(), [added])
        assert.deepEqual(
          store.published.map(({ type }) => type),
          ['product_created'],
        )
      })

      test('rejects with not_found for an unknown id', async () => {
        await store.products.add(creationOf())
        await assert.rejects(deleteProduct(store.products, unknownId), notFound)
        assert.equal((await listAll()).length, 1)
      })

      test('passes undefined to the change for an unknown id and ignores a removal', async () => {
        const inputs: unknown[] = []
        const removal = store.products.update(unknownId, (stored) => {
          inputs.push(stored)
          return removeProduct()
        })
        assert.equal(await removal, undefined)
        assert.deepEqual(inputs, [undefined])
        assert.deepEqual(await listAll(), [])
        assert.deepEqual(store.published, [])
      })

      test('never reuses the id of a removed product', async () => {
        const removed = await store.products.add(creationOf())
        await deleteProduct(store.products, removed.id)
        assert.ok((await store.products.add(creationOf())).id > removed.id)
      })
    })

    describe('events', () => {
      test('are published once for each write, with the id and version of the product', async () => {
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

      /** Writes the product unchanged, with an event whose `stock` is the version that the change received. */
      const writeWithVersionEvent = (products: Store['products'], id: number) =>
        products.update(id, (stored) => {
          const product = requireExisting(id, stored, 'anything')
          return { product, events: [{ type: 'low_stock', stock: product.version, threshold: 10 }] }
        })

      test('are published once for each version if fifty writes of two processes race, in any order', async () => {
        const { id } = await store.products.add(creationOf())
        store.published.length = 0
        const second = postgresProductRepository(store.database, (events) => store.published.push(...events))
        const processes = Array.from({ length: 25 }, () => [store.products, second]).flat()
        await Promise.all(processes.map((products) => writeWithVersionEvent(products, id)))
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

      /** Returns a repository whose first read is one version behind, as if another process had written since. */
      const outdatedRepository = ({ database, published }: Store) => {
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

      test('come only from the change that took effect if another write came first', async () => {
        const { id } = await store.products.add(creationOf())
        await changeProduct(store.products, id, (product) => product)
        store.published.length = 0
        const { version } = await writeWithVersionEvent(outdatedRepository(store), id)
        assert.equal(version, 3)
        await deleteProduct(outdatedRepository(store), id)
        assert.deepEqual(store.published, [
          { type: 'low_stock', stock: 2, threshold: 10, productId: id, version: 3 },
          { type: 'product_deleted', productId: id, version: 3 },
        ])
      })

      test('are not published if the change throws when it is repeated after another write', async () => {
        const { id } = await store.products.add(creationOf())
        await changeProduct(store.products, id, (product) => product)
        store.published.length = 0
        const seen: number[] = []
        const write = outdatedRepository(store).update(id, (stored) => {
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

      test('are published for only one of several concurrent removals', async () => {
        const { id } = await store.products.add(creationOf())
        store.published.length = 0
        await Promise.all(Array.from({ length: 10 }, () => store.products.update(id, removeProduct)))
        assert.deepEqual(store.published, [{ type: 'product_deleted', productId: id, version: 1 }])
      })

      test('are published once the write is visible to readers', async () => {
        await using separateStore = await open()
        const { id } = await separateStore.products.add(creationOf())
        const seen: Promise<readonly [published: number, stored: number | undefined]>[] = []
        separateStore.events.subscribe(({ version }) =>
          seen.push(separateStore.reader.find(id).then((product) => [version, product?.version] as const)),
        )
        await Promise.all(
          Array.from({ length: 20 }, () => changeProduct(separateStore.products, id, (product) => product)),
        )
        for (const [published, stored] of await Promise.all(seen))
          assert.ok(
            stored !== undefined && stored >= published,
            `version ${stored} is visible at the event for version ${published}`,
          )
        assert.equal(seen.length, 20)
      })

      test('are not published if the commit fails', async () => {
        await using separateStore = await open()
        const { id } = await separateStore.products.add(creationOf())
        await changeProduct(separateStore.products, id, (product) => product)
        await sql`
          create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'refused at the commit'; end $$`.execute(separateStore.database)
        await sql`
          create constraint trigger refuse after update on products deferrable initially deferred
          for each row when (new.name = 'Refused') execute function refuse()`.execute(separateStore.database)
        const refused = (product: Product) => ({ ...product, name: 'Refused' })
        for (const products of [separateStore.products, outdatedRepository(separateStore)])
          await assert.rejects(changeProduct(products, id, refused), /refused at the commit/)
        await deleteProduct(separateStore.products, id)
        assert.deepEqual(
          separateStore.published.map(({ type, version }) => [type, version]),
          [
            ['product_created', 1],
            ['product_updated', 2],
            ['product_deleted', 2],
          ],
        )
      })
    })

    describe('list', () => {
      const pageSize = fc.integer({ min: 1, max: 7 })

      for (const [word, sort] of sortEntries)
        test(`pages through all products by ${word} in the reference order`, async () => {
          await fc.assert(
            fc.asyncProperty(anyProducts, pageSize, async (products, limit) => {
              await insertProducts(store.database, products)
              assert.deepEqual(
                await readAllPages(store.reader, { sort, limit }),
                sortProducts(sort, products),
              )
            }),
            { numRuns: 12 },
          )
        })

      test('ends pages early by the bytes of their descriptions, and lists every product once, by every sort', async () => {
        const text = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '😀'), maxLength: 5 })
        const texts = fc.array(text, { minLength: 25, maxLength: 25 })
        const bytesOf = (products: readonly Product[]) =>
          products.reduce((sum, { description }) => sum + Buffer.byteLength(description), 0)
        await fc.assert(
          fc.asyncProperty(anyProducts, texts, fc.nat(60), async (products, descriptions, maxBytes) => {
            const described = products.map((product, at) => ({
              ...product,
              description: descriptions[at] ?? '',
            }))
            await insertProducts(store.database, described)
            for (const sort of allSorts) {
              const pages = await readPages(store.reader, {
                sort,
                limit: 101,
                maxDescriptionBytes: maxBytes,
              })
              assert.deepEqual(pages.flat(), sortProducts(sort, described))
              for (const [at, page] of pages.entries()) {
                assert.ok(bytesOf(page) <= maxBytes || page.length === 1)
                const next = pages[at + 1]?.[0]
                if (next !== undefined)
                  assert.ok(bytesOf([...page, next]) > maxBytes, 'there was room for one more')
              }
            }
          }),
          { numRuns: 8 },
        )
      })

      test('neither skips nor repeats a product while others are added and removed between pages', async () => {
        const sort = fc.constantFrom(...allSorts)
        const coins = fc.infiniteStream(fc.boolean())
        await fc.assert(
          fc.asyncProperty(sort, anyProducts, coins, pageSize, async (by, products, coin, limit) => {
            const kept = products.filter(() => coin.next().value)
            const others = products.filter((product) => !kept.includes(product))
            const [toRemove, toAdd] = [others.filter((_, i) => i % 2 === 0), others.filter((_, i) => i % 2)]
            await insertProducts(store.database, [...kept, ...toRemove])

            const changeOthers = async () => {
              const [removed, added] = [toRemove.pop(), toAdd.pop()]
              if (removed !== undefined) await deleteProduct(store.products, removed.id)
              if (added !== undefined) await insertProducts(store.database, [added], { keepExisting: true })
            }
            const listed = await readAllPages(store.reader, { sort: by, limit }, changeOthers)
            assert.equal(new Set(listed.map(({ id }) => id)).size, listed.length)
            assert.deepEqual(
              listed.filter(({ id }) => kept.some((one) => one.id === id)),
              sortProducts(by, kept),
            )
          }),
          { numRuns: 60 },
        )
      })

      test('filters by category, group and maximum stock', async () => {
        const filters = fc.record(
          {
            category: fc.constantFrom('', 'Home', 'home', 'Höme'),
            groupId: fc.constantFrom('a', 'A', 'b'),
            maxStock: fc.constantFrom(0, 1, 2),
          },
          { requiredKeys: [] },
        )
        const sort = fc.constantFrom(...allSorts)
        await fc.assert(
          fc.asyncProperty(anyProducts, sort, filters, pageSize, async (products, by, filter, limit) => {
            await insertProducts(store.database, products)
            const { category, groupId, maxStock } = filter
            const matching = products.filter(
              (product) =>
                (category === undefined || product.category === category) &&
                (groupId === undefined || product.groupId === groupId) &&
                (maxStock === undefined || product.stock <= maxStock),
            )
            assert.deepEqual(
              await readAllPages(store.reader, { sort: by, limit, ...filter }),
              sortProducts(by, matching),
            )
          }),
          { numRuns: 120 },
        )
      })

      test('pages through a category by id, and through low stock by stock', async () => {
        await fc.assert(
          fc.asyncProperty(anyProducts, pageSize, async (products, limit) => {
            await insertProducts(store.database, products)
            for (const category of ['Home', '']) {
              const ofCategory = products.filter((product) => product.category === category)
              const listed = await readAllPages(store.reader, { sort: byId, category, limit })
              assert.deepEqual(listed, sortProducts(byId, ofCategory))
            }
            const low = products.filter(({ stock }) => stock <= 2)
            assert.deepEqual(
              await readAllPages(store.reader, { sort: lowestStockFirst, maxStock: 2, limit }),
              sortProducts(lowestStockFirst, low),
            )
          }),
          { numRuns: 30 },
        )
      })

      test('returns a next position only if there are more products', async () => {
        for (const name of ['a', 'b']) await store.products.add(creationOf({ name }))
        const { next: afterOne } = await store.reader.list({ sort: byId, limit: 1 })
        assert.ok(afterOne)
        assert.equal((await store.reader.list({ sort: byId, limit: 2 })).next, undefined)
        assert.equal((await store.reader.list({ sort: byId, limit: 1, after: afterOne })).next, undefined)
      })

      test('returns an empty page for an empty catalog', async () => {
        for (const sort of allSorts)
          assert.deepEqual(await store.reader.list({ sort, limit: 10 }), { products: [] })
      })
    })
  })

for (const { engine, open, skip } of engines)
  describe(`a changed table in ${engine}`, { skip }, () => {
    test('serves summaries without the column of the descriptions, because they do not read it', async () => {
      await using store = await open()
      const { id, name } = await store.products.add(creationOf())
      await sql`alter table products drop column description`.execute(store.database)
      const [summary] = await store.reader.findSummaries([id])
      assert.deepEqual([summary?.id, summary?.name], [id, name])
      await assert.rejects(store.reader.findMany([id]))
    })
  })

for (const { engine, open, skip } of engines)
  describe(`a write to a changed table in ${engine}`, { skip }, () => {
    test('succeeds although the stored price cannot be read back', async () => {
      await using store = await open()
      await sql`alter table products drop constraint products_price_check, alter column price type money`.execute(
        store.database,
      )
      const { id, price, version } = await store.products.add(creationOf())
      assert.deepEqual([price, version], [34_50n, 1])
      await assert.rejects(store.reader.find(id), UnreadableRow)
    })

    test('stores nothing if it assigns a time that cannot be read', async () => {
      await using store = await open()
      const { id } = await store.products.add(creationOf())
      await sql`create function never() returns trigger language plpgsql as
        $$ begin new.updated_at := 'infinity'; return new; end $$`.execute(store.database)
      await sql`create trigger never before insert or update on products
        for each row execute function never()`.execute(store.database)
      await assert.rejects(store.products.add(creationOf()), { message: /infinity/ })
      await assert.rejects(
        changeProduct(store.products, id, (product) => product),
        { message: /infinity/ },
      )
      const products = await store.database.selectFrom('products').select(['id', 'version']).execute()
      assert.deepEqual(products, [{ id, version: 1 }])
    })
  })
