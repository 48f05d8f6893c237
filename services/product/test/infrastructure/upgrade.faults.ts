import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { dataDir } from '@electric-sql/pglite-prepopulatedfs'
import { unfinishedIn } from '@shop/postgres/migrations/unfinished.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { Kysely, PGliteDialect, sql } from 'kysely'
import { Client } from 'pg'
import { byId } from '../../src/domain/product-reader.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresProductReader } from '../../src/infrastructure/postgres-product-reader.ts'
import type { Database, Tables } from '../../src/infrastructure/products-table.ts'
import { migrateToFirst, openForTest as open, openFirst } from '../support/first-release.ts'

const later = ['0002_groups', '0003_list_indexes', '0004_idempotency_keys']

const categoryIndexes = async (database: Database) =>
  (
    await sql<{ name: string; valid: boolean }>`
      select relname as name, indisvalid as valid from pg_index join pg_class on pg_class.oid = indexrelid
      where relname like 'products_category_%' order by relname
    `.execute(database)
  ).rows

const validIndexes = ['created_at_id', 'id', 'name_id', 'price_id', 'stock_id'].map((name) => ({
  name: `products_category_${name}`,
  valid: true,
}))

const client = async (url: string) => {
  const connection = new Client({ connectionString: url })
  await connection.connect()
  return { connection, [Symbol.asyncDispose]: () => connection.end() }
}

describe('an upgrade of the database of the first release', { skip: withoutPostgres }, () => {
  it('keeps the products, whose group is null, and the statements of that release', async () => {
    await using first = await openFirst()
    assert.deepEqual(await migrations.apply(first.database), later)
    assert.deepEqual(await migrations.apply(first.database), [])
    assert.deepEqual(await categoryIndexes(first.database), validIndexes)
    await assert.rejects(
      sql`update products set group_id = ''`.execute(first.database),
      /products_group_id_check/,
    )
    const columns = 'id, name, description, price, stock, category, version, created_at, updated_at'
    await sql
      .raw(`insert into products (name, description, price, stock, category) values ('x', '', 1, 0, 'Home')`)
      .execute(first.database)
    await sql.raw(`update products set stock = 3, version = version + 1 where id = 1`).execute(first.database)
    const { rows } = await sql.raw(`select ${columns} from products`).execute(first.database)
    assert.equal(rows.length, 2)
    const listed = await postgresProductReader(first.database).list({
      sort: byId,
      category: 'Home',
      limit: 9,
    })
    assert.deepEqual(
      listed.products.map(({ groupId }) => groupId),
      [null, null],
    )
  })

  it('works in PGlite', async () => {
    const pglite = await PGlite.create({ loadDataDir: await dataDir() })
    await using database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) })
    await migrateToFirst(database)
    assert.deepEqual(await migrations.apply(database), later)
    assert.deepEqual(await categoryIndexes(database), validIndexes)
    assert.deepEqual(await unfinishedIn(database), [])
  })

  it('is done once if several processes start it, also of other schemas of the database', async () => {
    await using first = await openFirst()
    await sql`create schema other`.execute(first.database)
    const other = new URL(first.url)
    other.searchParams.set('options', '-c search_path=other')
    await using another = open(other.href)
    await migrateToFirst(another)
    const runs = await Promise.all(
      [first.url, other.href, first.url, other.href, first.url].map(async (url) => {
        await using database = open(url)
        return await migrations.apply(database)
      }),
    )
    assert.deepEqual(runs.flat().toSorted(), [...later, ...later].toSorted())
  })

  it('replaces an index that an interrupted build has left', async () => {
    await using first = await openFirst()
    await sql`insert into products (name, price, category) values ('y', 1, 'Home')`.execute(first.database)
    const broken = sql`create unique index concurrently products_category_stock_id on products (category, stock)`
    await assert.rejects(broken.execute(first.database), /could not create unique index/)
    assert.ok((await categoryIndexes(first.database)).some(({ valid }) => !valid))
    const invalid = [
      'invalid index products_category_stock_id: it is being built, or its build was interrupted',
    ]
    assert.deepEqual(await unfinishedIn(first.database), invalid)
    assert.deepEqual(await migrations.apply(first.database), later)
    assert.deepEqual(await categoryIndexes(first.database), validIndexes)
    assert.deepEqual(await unfinishedIn(first.database), [])
  })

  it('lets other transactions write while it builds the indexes of the lists', async () => {
    await using first = await openFirst()
    await using upgrading = open(first.url)
    await using reader = await client(first.url)
    await using writer = await client(first.url)
    // An index that is built concurrently waits for this transaction, after the column has been added.
    const tables = 'begin isolation level repeatable read; select from pg_class'
    await reader.connection.query(tables)
    const upgrade = migrations.apply(upgrading)
    const active = `select from pg_stat_activity where datname = current_database() and query like 'create index concurrently%'`
    await eventually(20_000, async () => assert.equal((await writer.connection.query(active)).rowCount, 1))
    await writer.connection.query("set lock_timeout = '2s'")
    await writer.connection.query("insert into products (name, price) values ('z', 1)")
    await writer.connection.query('update products set stock = 7 where id = 1')
    await reader.connection.query('commit')
    assert.deepEqual(await upgrade, later)
  })
})
