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
const all = files.map((file) => file.replace(/\.sql$/, '')).toSorted()

const open = (url: string) => {
  const database = openForMigration(postgresConfigOf({ DATABASE_URL: url }), silentLogger)
  return { database, [Symbol.asyncDispose]: () => database.destroy() }
}

const migrateOver = async (url: string): Promise<string[]> => {
  await using connection = open(url)
  return await migrations.apply(connection.database)
}

/** The names of what one query finds in the schema. */
const namesIn = async (url: string, query: string): Promise<string[]> => {
  await using connection = open(url)
  const { rows } = await sql<{ name: string }>`${sql.raw(query)}`.execute(connection.database)
  return rows.map(({ name }) => name)
}

const recorded = 'select name from kysely_migration order by name'
const products = `select table_name as name from information_schema.tables
  where table_schema = current_schema() and table_name = 'products'`

describe('migrations', { skip: withoutPostgres }, () => {
  test('are applied in order, and a second run applies nothing', async () => {
    await using schema = await ownSchema()
    assert.deepEqual(await migrateOver(schema.url), all)
    assert.deepEqual(await migrateOver(schema.url), [])
    assert.deepEqual(await namesIn(schema.url, recorded), all)
  })

  test('are applied once when five start at the same time', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using schema = await ownSchema()
      const runs = await Promise.all(Array.from({ length: 5 }, () => migrateOver(schema.url)))
      assert.deepEqual(runs.flat(), all)
      assert.deepEqual(await namesIn(schema.url, recorded), all)
    }
  })

  test('are applied to a schema whatever another schema of the database has', async () => {
    await using one = await ownSchema()
    await using other = await ownSchema()
    assert.deepEqual(await migrateOver(one.url), all)
    assert.deepEqual(await migrateOver(other.url), all)
    assert.deepEqual(await namesIn(other.url, products), ['products'])
  })

  test('are none to an older version of the service, when a newer one has gone further', async () => {
    await using schema = await ownSchema()
    await migrateOver(schema.url)
    await namesIn(schema.url, "insert into kysely_migration values ('9999_later', 'now')")
    assert.deepEqual(await migrateOver(schema.url), [])
  })

  test('are left to others with MIGRATE=off: until they are applied the service is not ready', async () => {
    await using schema = await ownSchema()
    const { logger, lines } = recordingLogger()
    const config = readConfig({ DATABASE_URL: schema.url, MIGRATE: 'off' })
    await using adapters = await openAdapters({ config, logger })
    const isUp = () => adapters.dependencies[0]?.probe(AbortSignal.timeout(20_000))
    await eventually(20_000, async () =>
      assert.match(JSON.stringify(lines), new RegExp(`pending migrations: ${all[0]}`)),
    )
    await assert.rejects(async () => isUp())
    assert.deepEqual(await migrateOver(schema.url), all)
    await eventually(20_000, async () => await isUp())
  })

  test('leave nothing behind when one fails, and go on when its reason is gone', async () => {
    await using schema = await ownSchema()
    await namesIn(schema.url, 'create view products_stock_id as select 1 as one')
    await assert.rejects(migrateOver(schema.url), /"products_stock_id" already exists/)
    assert.deepEqual(await namesIn(schema.url, products), [])
    assert.deepEqual(await namesIn(schema.url, recorded), [])
    await namesIn(schema.url, 'drop view products_stock_id')
    assert.deepEqual(await migrateOver(schema.url), all)
  })

  test('end the service when one fails, and it is never ready', async () => {
    await using schema = await ownSchema()
    await namesIn(schema.url, 'create view products_stock_id as select 1 as one')
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
