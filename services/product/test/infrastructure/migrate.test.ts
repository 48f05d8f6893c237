import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openForMigration } from '@shop/postgres/database.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresConfigOf } from '../support/config.ts'

const files = await readdir(join(import.meta.dirname, '../../migrations'))
const allMigrations = files.map((file) => file.replace(/\.sql$/, '')).toSorted()

const openDatabase = (url: string) => {
  const database = openForMigration(postgresConfigOf({ DATABASE_URL: url }), silentLogger)
  return { database, [Symbol.asyncDispose]: () => database.destroy() }
}

const migrate = async (url: string): Promise<string[]> => {
  await using connection = openDatabase(url)
  return await migrations.apply(connection.database)
}

/** Runs a statement in the schema. Returns the `name` column of its rows. */
const queryNames = async (url: string, query: string): Promise<string[]> => {
  await using connection = openDatabase(url)
  const { rows } = await sql<{ name: string }>`${sql.raw(query)}`.execute(connection.database)
  return rows.map(({ name }) => name)
}

const appliedMigrations = 'select name from kysely_migration order by name'
const allTables = `select table_name as name from information_schema.tables
  where table_schema = current_schema() and table_type = 'BASE TABLE'`
const productTables = `select table_name as name from information_schema.tables
  where table_schema = current_schema() and table_name = 'products'`

describe('migrations', { skip: withoutPostgres }, () => {
  test('are applied in order, and a second run applies nothing', async () => {
    await using schema = await ownSchema()
    assert.deepEqual(await migrate(schema.url), allMigrations)
    assert.deepEqual(await migrate(schema.url), [])
    assert.deepEqual(await queryNames(schema.url, appliedMigrations), allMigrations)
  })

  test('are applied once if five runs start at the same time', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using schema = await ownSchema()
      const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(schema.url)))
      assert.deepEqual(runs.flat(), allMigrations)
      assert.deepEqual(await queryNames(schema.url, appliedMigrations), allMigrations)
    }
  })

  test('are applied to a schema regardless of other schemas in the database', async () => {
    await using one = await ownSchema()
    await using other = await ownSchema()
    assert.deepEqual(await migrate(one.url), allMigrations)
    assert.deepEqual(await migrate(other.url), allMigrations)
    assert.deepEqual(await queryNames(other.url, productTables), ['products'])
  })

  test('are not applied by an older version of the service once a newer one has applied more', async () => {
    await using schema = await ownSchema()
    await migrate(schema.url)
    await queryNames(schema.url, "insert into kysely_migration values ('9999_later', 'now')")
    assert.deepEqual(await migrate(schema.url), [])
  })

  test('are not applied with MIGRATE=off; the service is not ready until another process applies them', async () => {
    await using schema = await ownSchema()
    const { logger, lines } = recordingLogger()
    const config = readConfig({ DATABASE_URL: schema.url, MIGRATE: 'off' })
    await using adapters = await openAdapters({ config, logger })
    const probe = () => adapters.dependencies[0]?.probe(AbortSignal.timeout(20_000))
    await eventually(20_000, async () =>
      assert.match(JSON.stringify(lines), new RegExp(`pending migrations: ${allMigrations[0]}`)),
    )
    await assert.rejects(async () => probe())
    assert.deepEqual(await migrate(schema.url), allMigrations)
    await eventually(20_000, async () => await probe())
  })

  test('are rolled back if one fails, and can be applied once the cause is removed', async () => {
    await using schema = await ownSchema()
    await queryNames(schema.url, 'create view products_stock_id as select 1 as one')
    await assert.rejects(migrate(schema.url), /"products_stock_id" already exists/)
    assert.deepEqual(await queryNames(schema.url, allTables), [])
    await queryNames(schema.url, 'drop view products_stock_id')
    assert.deepEqual(await migrate(schema.url), allMigrations)
  })

  test('abort the service if one fails, and it never becomes ready', async () => {
    await using schema = await ownSchema()
    await queryNames(schema.url, 'create view products_stock_id as select 1 as one')
    const { logger, lines } = recordingLogger()
    const aborted = Promise.withResolvers<void>()
    const config = readConfig({ DATABASE_URL: schema.url })
    await using adapters = await openAdapters({ config, logger, abortService: aborted.resolve })
    await aborted.promise
    assert.ok(lines.some(({ level, msg }) => level === 60 && msg === 'the database cannot be migrated'))
    await assert.rejects(
      async () => adapters.dependencies[0]?.probe(AbortSignal.timeout(20_000)),
      /the database is not migrated yet/,
    )
  })
})
