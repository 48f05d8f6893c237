import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import { type Product, removeProduct, requireExisting, reviseProduct } from '../../../src/domain/product.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { postgresProductRepository } from '../../../src/infrastructure/postgres-product-repository.ts'
import { execute, trigger } from '../../support/schema.ts'
import { recordStatements } from '../../support/statements.ts'
import {
  casesFor,
  changeProduct,
  creationOf,
  deleteProduct,
  engines,
  fieldsOf,
  type Store,
} from '../../support/store.ts'

const lastVersion = 2_147_483_647

const describeError = (error: Error & { code?: unknown }) =>
  `${error.name} ${String(error.code)} ${error.message.replace(/product \d+/, 'product N')}`

for (const { engine, open, skip } of engines)
  describe(`changes of the same moment in ${engine}`, { skip }, () => {
    let store: Store
    let products: ProductRepository
    let matching: (pattern: RegExp) => string[]
    let clear: () => void
    let beforeStatement: (text: string) => Promise<unknown>
    beforeEach(async () => {
      store = await open()
      beforeStatement = () => Promise.resolve()
      const recorded = recordStatements(store.database, (text) => beforeStatement(text))
      ;({ matching, clear } = recorded)
      products = postgresProductRepository(recorded.database, (events) => {
        store.published.push(...events)
      })
    })
    afterEach(() => store[Symbol.asyncDispose]())

    const addMany = async (count: number) => {
      const added = await Promise.all(
        Array.from({ length: count }, (_, n) => products.add(creationOf({ name: `p${n}`, stock: 100 }))),
      )
      store.published.length = 0
      clear()
      return added
    }
    const set = (id: number, changes: Partial<Product>, version?: number) =>
      products.update(id, (stored) =>
        reviseProduct(
          requireExisting(id, stored, version === undefined ? 'anything' : [{ version }]),
          changes,
        ),
      )
    const remove = (id: number) => deleteProduct(products, id)
    const events = () =>
      store.published.map(({ type, productId, version }) => `${type} ${productId} ${version}`)
    const codesOf = (outcomes: readonly PromiseSettledResult<Product | undefined | void>[]) =>
      outcomes.map((outcome) =>
        outcome.status === 'rejected' ? outcome.reason.code : (outcome.value?.version ?? 'done'),
      )

    test('of different products are read by one statement, and written by one for updates and one for removals', async () => {
      const added = await addMany(60)
      const [updated, removed] = [added.slice(0, 40), added.slice(40)]
      const texts = ['NULL', '', '{"a"}', '"', '\\', ',', "'", 'a\nb', '\u{1F600}']
      const fieldsFor = (id: number) =>
        fieldsOf({
          name: `${id} ${texts[id % texts.length]}`,
          description: texts[(id + 1) % texts.length] ?? '',
          price: BigInt(id) * 100_000_001n,
          stock: id,
          category: texts[(id + 2) % texts.length] ?? '',
          groupId: id % 2 === 0 ? null : 'NULL',
        })
      const outcomes = await Promise.all([
        ...updated.map(({ id }) =>
          changeProduct(products, id, (product) => ({ ...product, ...fieldsFor(id) })),
        ),
        ...removed.map(({ id }) => remove(id)),
      ])
      assert.deepEqual(
        [matching(/^select/), matching(/update products/), matching(/delete products/), matching(/./)].map(
          ({ length }) => length,
        ),
        [1, 1, 1, 3],
      )
      const stored = await store.reader.findMany(added.map(({ id }) => id))
      assert.deepEqual(
        stored,
        outcomes.slice(0, 40).toSorted((one, other) => (one?.id ?? 0) - (other?.id ?? 0)),
      )
      for (const { id, version, createdAt, updatedAt, ...fields } of stored) {
        assert.deepEqual(fields, fieldsFor(id))
        assert.equal(version, 2)
        assert.ok(updatedAt >= createdAt)
      }
    })

    test('of one product all take effect, in their order, each with its own version and events', async () => {
      const [{ id } = { id: 0 }] = await addMany(1)
      const outcomes = await Promise.all([
        set(id, { stock: 50 }),
        set(id, { name: 'second' }),
        changeProduct(products, id, (product) => ({ ...product, stock: product.stock + 1 })),
      ])
      assert.deepEqual(
        outcomes.map(({ name, stock, version }) => [name, stock, version]),
        [
          ['p0', 50, 2],
          ['second', 50, 3],
          ['second', 51, 4],
        ],
      )
      assert.deepEqual(await store.reader.find(id), outcomes[2])
      assert.deepEqual(
        events(),
        [2, 3, 4].map((version) => `product_updated ${id} ${version}`),
      )
      assert.equal(matching(/update products/).length, 1)
    })

    test('see what those before them in the same moment did: versions, a removal, the highest version', async () => {
      const [{ id: versioned }, { id: removed }, { id: highest }, other] = (await addMany(4)) as [
        Product,
        Product,
        Product,
        Product,
      ]
      await store.database
        .updateTable('products')
        .set({ version: lastVersion - 1 })
        .where('id', '=', highest)
        .execute()
      const outcomes = await Promise.allSettled([
        set(versioned, { stock: 21 }, 1),
        set(versioned, { stock: 22 }, 1),
        set(versioned, { stock: 23 }, 2),
        set(removed, { stock: 24 }),
        remove(removed),
        set(removed, { stock: 25 }),
        remove(removed),
        set(highest, { stock: 26 }),
        set(highest, { stock: 27 }),
        remove(999),
        set(other.id, { stock: 28 }),
      ])
      assert.deepEqual(codesOf(outcomes), [
        2,
        'stale_version',
        3,
        2,
        'done',
        'not_found',
        'not_found',
        lastVersion,
        'unavailable',
        'not_found',
        2,
      ])
      const stored = await store.reader.findMany([versioned, removed, highest, other.id])
      assert.deepEqual(
        stored.map(({ id, stock, version }) => [id, stock, version]),
        [
          [versioned, 23, 3],
          [highest, 26, lastVersion],
          [other.id, 28, 2],
        ],
      )
      assert.deepEqual(events(), [
        ...[2, 3].map((version) => `product_updated ${versioned} ${version}`),
        `product_updated ${removed} 2`,
        `product_deleted ${removed} 2`,
        `product_updated ${highest} ${lastVersion}`,
        `product_updated ${other.id} 2`,
      ])
    })

    test('without anything to write send no write', async () => {
      const [product] = await addMany(1)
      assert.ok(product)
      const outcomes = await Promise.allSettled([
        set(product.id, { stock: 21 }, 7),
        remove(999),
        set(product.id, { stock: -1 }),
      ])
      assert.deepEqual(codesOf(outcomes), ['stale_version', 'not_found', 'invalid'])
      assert.equal(matching(/./).length, 1)
      assert.deepEqual(await store.reader.find(product.id), product)
    })

    for (const [title, schema, code] of casesFor(engine, [
      ['a check', 'alter table products add check (stock <> 13)', '23514'],
      [
        'a trigger that raises',
        trigger('update', "if new.stock = 13 then raise 'no';end if;return new"),
        'P0001',
      ],
      [
        'a data exception of a trigger',
        trigger('update', 'if new.stock = 13 then perform 1 / 0;end if;return new'),
        '22012',
      ],
      [
        'an error of another class',
        trigger('update', "if new.stock = 13 then raise 'no' using errcode = '54000';end if;return new"),
        '54000',
      ],
      [
        'a trigger that drops them',
        trigger('update', 'if new.stock = 13 then return null;end if;return new'),
        'undefined',
      ],
    ] as const))
      test(`are written once each without the updates that ${title} refuses, which get the same error as alone`, async () => {
        await execute(store.database, schema)
        const added = await addMany(12)
        const [{ id: alone } = { id: 0 }] = await addMany(1)
        const expected = await set(alone, { stock: 13 }).then(
          () => assert.fail('it was written'),
          (error: Error) => describeError(error),
        )
        assert.match(expected, new RegExp(` ${code} `))
        clear()
        const isBad = (index: number) => [0, 5, 11].includes(index)
        const outcomes = await Promise.allSettled(
          added.map(({ id }, index) => set(id, { stock: isBad(index) ? 13 : 27 })),
        )
        const stored = await store.reader.findMany(added.map(({ id }) => id))
        for (const [index, outcome] of outcomes.entries()) {
          const { id } = added[index] ?? { id: 0 }
          const { stock, version } = stored.find((product) => product.id === id) ?? {}
          assert.deepEqual([stock, version], isBad(index) ? [100, 1] : [27, 2])
          if (isBad(index))
            assert.equal(outcome.status === 'rejected' && describeError(outcome.reason), expected)
          else assert.equal(outcome.status, 'fulfilled')
        }
        assert.equal(store.published.length, 9)
      })

    test('of one product, of which the schema refuses one, are written without it', async () => {
      await execute(
        store.database,
        'alter table products add check (stock <> 13); create table orders (product integer references products)',
      )
      const [one, ordered, other] = (await addMany(3)) as [Product, Product, Product]
      await execute(store.database, `insert into orders values (${ordered.id})`)
      const outcomes = await Promise.allSettled([
        set(one.id, { stock: 12 }),
        set(one.id, { stock: 13 }),
        changeProduct(products, one.id, (product) => ({ ...product, price: BigInt(product.stock) })),
        set(ordered.id, { stock: 25 }),
        remove(ordered.id),
        set(ordered.id, { name: 'kept' }),
        remove(other.id),
      ])
      assert.deepEqual(codesOf(outcomes), [2, '23514', 3, 2, 'product_referenced', 3, 'done'])
      const stored = await store.reader.findMany([one.id, ordered.id, other.id])
      assert.deepEqual(
        stored.map(({ id, name, price, stock, version }) => [id, name, price, stock, version]),
        [
          [one.id, 'p0', 12n, 12, 3],
          [ordered.id, 'kept', ordered.price, 25, 3],
        ],
      )
      assert.deepEqual(
        events().toSorted(),
        [
          `product_deleted ${other.id} 1`,
          ...[2, 3].map((version) => `product_updated ${one.id} ${version}`),
          ...[2, 3].map((version) => `product_updated ${ordered.id} ${version}`),
        ].toSorted(),
      )
    })

    // PGlite takes a second to open, and the rest does not depend on the driver.
    if (engine === 'PGlite') return

    test('apply to what another session has written after they were read, and their versions are checked against that', async () => {
      const [raised, versioned, removed, kept, other] = (await addMany(5)) as Product[] as [
        Product,
        Product,
        Product,
        Product,
        Product,
      ]
      let isWritten = false
      beforeStatement = async (text) => {
        if (isWritten || !/(update|delete) products/.test(text)) return
        isWritten = true
        await execute(
          store.database,
          `update products set stock = 50, version = version + 1 where id in (${raised.id}, ${versioned.id}, ${removed.id}, ${kept.id})`,
        )
      }
      const outcomes = await Promise.allSettled([
        changeProduct(products, raised.id, (product) => ({ ...product, stock: product.stock + 1 })),
        set(versioned.id, { stock: 22 }, 1),
        remove(removed.id),
        products.update(kept.id, (stored) => {
          requireExisting(kept.id, stored, [{ version: 1 }])
          return removeProduct()
        }),
        set(other.id, { stock: 23 }, 1),
      ])
      assert.deepEqual(codesOf(outcomes), [3, 'stale_version', 'done', 'stale_version', 2])
      const stored = await store.reader.findMany(
        [raised, versioned, removed, kept, other].map(({ id }) => id),
      )
      assert.deepEqual(
        stored.map(({ id, stock, version }) => [id, stock, version]),
        [
          [raised.id, 51, 3],
          [versioned.id, 50, 2],
          [kept.id, 50, 2],
          [other.id, 23, 2],
        ],
      )
    })

    test('remove the products that no other table references, and refuse the others as alone', async () => {
      await execute(store.database, 'create table orders (product integer references products)')
      const added = await addMany(10)
      const ordered = added.filter((_, index) => [0, 4, 9].includes(index))
      await execute(store.database, `insert into orders values ${ordered.map(({ id }) => `(${id})`).join()}`)
      const outcomes = await Promise.allSettled(added.map(({ id }) => remove(id)))
      for (const [index, outcome] of outcomes.entries())
        if (outcome.status === 'rejected') {
          const { id } = added[index] ?? {}
          assert.ok(outcome.reason instanceof AppError)
          assert.equal(outcome.reason.message, `product ${id} is referenced by another table`)
        }
      const stored = await store.reader.findMany(added.map(({ id }) => id))
      assert.deepEqual(stored, ordered)
      assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 3)
    })

    test('of one product are written without one that is refused by an error of another class', async () => {
      await execute(
        store.database,
        trigger('update', "if new.stock = 13 then raise 'no' using errcode = '54000';end if;return new"),
      )
      const [one, other] = (await addMany(2)) as [Product, Product]
      const outcomes = await Promise.allSettled([
        set(one.id, { name: 'kept' }),
        set(one.id, { stock: 13 }),
        set(other.id, { stock: 21 }),
      ])
      assert.deepEqual(codesOf(outcomes), [2, '54000', 2])
    })

    test('are written once each if a rule of the table logs them', async () => {
      await execute(
        store.database,
        'create table log (id integer, stock integer); create rule logged as on update to products do also insert into log values (new.id, new.stock)',
      )
      const added = await addMany(5)
      await Promise.all(added.map(({ id }) => set(id, { stock: 27 })))
      const stored = await store.reader.findMany(added.map(({ id }) => id))
      assert.deepEqual(
        stored.map(({ stock, version }) => [stock, version]),
        added.map(() => [27, 2]),
      )
    })

    test('are written without those of a product that cannot be read', async () => {
      const [one, damaged, other] = (await addMany(3)) as [Product, Product, Product]
      await execute(
        store.database,
        `alter table products alter price drop not null; update products set price = null where id = ${damaged.id}`,
      )
      const outcomes = await Promise.allSettled([
        set(one.id, { stock: 21 }),
        set(damaged.id, { stock: 22 }),
        remove(damaged.id),
        set(other.id, { stock: 23 }),
      ])
      for (const outcome of outcomes.slice(1, 3))
        assert.ok(outcome.status === 'rejected' && outcome.reason instanceof UnreadableRow)
      const stored = await store.reader.findMany([one.id, other.id])
      assert.deepEqual(
        stored.map(({ stock, version }) => [stock, version]),
        [
          [21, 2],
          [23, 2],
        ],
      )
    })
  })
