import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { catalogStatistics } from '../../src/application/queries/catalog-statistics.ts'
import { seedGenerated } from '../../src/infrastructure/generated-products.ts'
import { advanceProductIds, readProductIds } from '../../src/infrastructure/postgres-product-ids.ts'
import { send } from '../support/http.ts'
import {
  casesFor,
  changeProduct,
  creationOf,
  deleteProduct,
  engines,
  openApp,
  type Store,
} from '../support/store.ts'

const lastId = 2_147_483_647

const setSequence = async ({ database }: Pick<Store, 'database'>, value: number): Promise<void> =>
  void (await sql`select setval(pg_get_serial_sequence('products', 'id'), ${value}::bigint)`.execute(
    database,
  ))

/** Inserts products with these ids, as an import does, which does not advance the sequence. */
const importIds = async ({ database }: Store, from: number, to: number): Promise<void> =>
  void (await sql`
    insert into products (id, name, price) select id, 'x', 1 from generate_series(${from}::int, ${to}::int) as id
  `.execute(database))

for (const { engine, open, skip } of engines)
  describe(`the ids of products in ${engine}`, { skip }, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store[Symbol.asyncDispose]())

    test('skip those that an import has used: every one of forty concurrent additions succeeds', async () => {
      await importIds(store, 1, 1_000)
      const added = await Promise.all(Array.from({ length: 40 }, () => store.products.add(creationOf())))
      assert.equal(new Set(added.map(({ id }) => id)).size, 40)
      assert.ok(added.every(({ id }) => id > 1_000))
      assert.equal(store.published.length, 40)
    })

    for (const [title, ...statements] of casesFor(engine, [
      [
        'if the primary key has another name',
        'alter table products rename constraint products_pkey to p2_pkey',
      ],
      [
        'if the table is a copy',
        'create table p2 (like products including all)',
        'drop table products',
        'alter table p2 rename to products',
      ],
      [
        'if their sequence is not owned by the column',
        'create sequence ids',
        'alter table products alter column id drop identity',
        "alter table products alter column id set default nextval('ids')",
      ],
      [
        'if the table is partitioned',
        'create table p2 (like products including all) partition by hash (id)',
        'create table p2_0 partition of p2 for values with (modulus 1, remainder 0)',
        'drop table products',
        'alter table p2 rename to products',
      ],
    ] as const))
      test(`skip those that an import has used, ${title}`, async () => {
        for (const statement of statements) await sql.raw(statement).execute(store.database)
        await importIds(store, 1, 1_000)
        assert.equal((await store.products.add(creationOf())).id, 1_001)
        const ids = await readProductIds(store.database)
        assert.deepEqual(ids, { highest: 1_001, lastAssigned: 1_001 })
      })

    test('do not skip any if another unique column refuses the insert', async () => {
      await sql`create unique index on products (name)`.execute(store.database)
      const creation = creationOf({ name: 'x(id)=(1)' })
      const { id } = await store.products.add(creation)
      await assert.rejects(store.products.add(creation), { code: '23505', message: /products_name_idx/ })
      // The refused insert has used one id, but was not repeated.
      assert.equal((await store.products.add(creationOf())).id, id + 2)
    })

    test('skip those that an import has used when generated products are added', async () => {
      await importIds(store, 3, 1_000)
      await seedGenerated(store.database, { count: 10, seed: 1, onProgress: () => {} })
      const { rows } = await sql<{ id: number }>`select id from products where id > 1000`.execute(
        store.database,
      )
      assert.equal(rows.length, 10)
    })

    test('are never assigned again: the sequence is not set back to the highest id in the table', async () => {
      await store.products.add(creationOf())
      await setSequence(store, 500)
      await advanceProductIds(store.database)
      assert.ok((await store.products.add(creationOf())).id > 500)
    })

    test('are refused with unavailable once the highest one is assigned', async () => {
      await setSequence(store, lastId - 1)
      assert.equal((await store.products.add(creationOf())).id, lastId)
      for (let attempt = 0; attempt < 2; attempt += 1)
        await assert.rejects(store.products.add(creationOf()), {
          code: 'unavailable',
          message: 'no product id is left',
        })
    })

    test('are refused with unavailable if an import has used the highest one', async () => {
      await importIds(store, 1, 1)
      await importIds(store, lastId, lastId)
      await assert.rejects(store.products.add(creationOf()), { message: 'no product id is left' })
    })

    for (const [sequence, change] of casesFor(engine, [
      ['of bigint', `alter column id type bigint, alter column id restart with ${lastId + 1}`],
      ['descending', 'alter column id set minvalue -9 set increment by -1 restart with 0'],
    ] as const))
      test(`out of range, from a sequence that is ${sequence}, are refused with unavailable, and nothing is stored`, async () => {
        const { id } = await store.products.add(creationOf())
        await sql.raw(`alter table products ${change}`).execute(store.database)
        for (let attempt = 0; attempt < 2; attempt += 1)
          await assert.rejects(store.products.add(creationOf()), {
            code: 'unavailable',
            message: 'no product id is left',
          })
        const { rows } = await sql`select id from products`.execute(store.database)
        assert.deepEqual(rows, [{ id }])
        // Control: an id within the range is assigned again.
        await sql`alter table products alter column id restart with 7`.execute(store.database)
        assert.equal((await store.products.add(creationOf())).id, 7)
      })

    test('appear in the statistics as the share that is used, by the sequence or by an import', async () => {
      const usedRatio = async () => (await catalogStatistics(store)()).usedIdsRatio
      assert.equal(await usedRatio(), 0)
      await setSequence(store, 1_932_735_283)
      assert.equal(Math.round((await usedRatio()) * 1e6), 900_000)
      await importIds(store, lastId, lastId)
      assert.equal(await usedRatio(), 1)
    })

    test('a product at the highest version can be read and deleted; an update is refused with unavailable', async () => {
      const { id } = await store.products.add(creationOf())
      await store.database.updateTable('products').set({ version: lastId }).where('id', '=', id).execute()
      await assert.rejects(
        changeProduct(store.products, id, (product) => ({ ...product, stock: 1 })),
        { code: 'unavailable', message: `product ${id} has reached the highest version` },
      )
      assert.equal((await store.reader.find(id))?.version, lastId)
      await deleteProduct(store.products, id)
    })

    test('an update that is out of range for another column is not refused as the highest version', async () => {
      const { id } = await store.products.add(creationOf({ price: 1_00n }))
      await sql`alter table products alter column price type numeric(4, 2)`.execute(store.database)
      await assert.rejects(
        changeProduct(store.products, id, (product) => ({ ...product, price: 100_00n })),
        { code: '22003', message: /numeric field overflow/ },
      )
    })

    test('an insert for which a sequence of a trigger is used up is not refused as the highest id', async () => {
      await sql`create sequence revisions maxvalue 2 start 2`.execute(store.database)
      await sql`create function count_insert() returns trigger language plpgsql as
        $$ begin perform nextval('revisions'); return new; end $$`.execute(store.database)
      await sql`create trigger count_insert before insert on products
        for each row execute function count_insert()`.execute(store.database)
      await store.products.add(creationOf())
      await assert.rejects(store.products.add(creationOf()), { code: '2200H', message: /"revisions"/ })
    })
  })

test('without ids left, POST is answered 503, and the log says why', async () => {
  const { logger, lines } = recordingLogger()
  await using app = await openApp({}, { logger })
  await setSequence(app.store, lastId)
  const response = await send(app.http, {
    method: 'POST',
    url: '/products',
    payload: { name: 'x', price: 1 },
  })
  assert.equal(response.statusCode, 503)
  assert.equal(response.json().code, 'unavailable')
  const line = lines.find(({ msg }) => msg === 'request failed')
  assert.match(JSON.stringify(line), /no product id is left.*reached maximum value of sequence/)
})

test('db-status shows the used ids, and a sequence that is behind the table', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  const program = async (name: string) => {
    const path = join(import.meta.dirname, `../../src/admin/${name}.ts`)
    const env = { PATH: process.env['PATH'], DATABASE_URL: database.url }
    return (await promisify(execFile)(process.execPath, [path], { env })).stdout
  }
  assert.doesNotMatch(await program('status'), /product ids/)
  await program('migrate')
  assert.match(await program('status'), /^product ids: 0 of 2147483647 used \(0\.0 %\)$/m)
  await query("insert into products (id, name, price) values (1932735283, 'x', 1)", database.url)
  const status = await program('status')
  assert.match(status, /^product ids: 1932735283 of 2147483647 used \(90\.0 %\)$/m)
  assert.match(status, /sequence of the ids \(0\) is behind the table/)
})
