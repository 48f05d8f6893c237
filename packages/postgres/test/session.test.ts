import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startPgBouncer, withoutPgBouncer } from '@shop/testing/stores/pgbouncer.ts'
import { ownDatabase, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Kysely, sql } from 'kysely'
import { openForMigration, openForStatistics, openPostgres, openReplica } from '../src/database.ts'
import { isUnusable } from '../src/errors.ts'

/** Creates a database in which sessions have these settings by default. */
const databaseWith = async (settings: Readonly<Record<string, string>>) => {
  const database = await ownDatabase()
  for (const [name, value] of Object.entries(settings))
    await query(`alter database ${database.name} set ${name} = '${value}'`)
  return database
}

const settingsOf = async (database: Kysely<unknown>) => {
  const { rows } =
    await sql<object>`select current_setting('DateStyle') as style, current_setting('TimeZone') as zone,
    current_setting('transaction_isolation') as isolation`.execute(database)
  return rows[0]
}

const foreignSettings = {
  datestyle: 'SQL, DMY',
  timezone: 'Asia/Kolkata',
  default_transaction_isolation: 'serializable',
}

describe('sessions', { skip: withoutPostgres }, () => {
  it('have the settings that the code relies on, whatever those of the database are', async () => {
    await using own = await databaseWith(foreignSettings)
    const config = postgresConfig(own.url)
    const pools = [
      openPostgres(config, silentLogger),
      openReplica(own.url, config, silentLogger),
      openForStatistics(config, silentLogger),
      openForMigration(config, silentLogger),
    ]
    for (const pool of pools) {
      assert.deepEqual(await settingsOf(pool), {
        style: 'ISO, MDY',
        zone: 'UTC',
        isolation: 'read committed',
      })
      await pool.destroy()
    }
  })

  it('have the settings of an address without a URL, too', async () => {
    await using own = await databaseWith(foreignSettings)
    const { hostname: host, port, username: user, password } = new URL(own.url)
    const address = { host, port: Number(port) || 5_432, user, password, database: own.name }
    await using database = openPostgres({ ...postgresConfig(own.url), address }, silentLogger)
    assert.deepEqual(await settingsOf(database), {
      style: 'ISO, MDY',
      zone: 'UTC',
      isolation: 'read committed',
    })
  })

  it('keep the other options of a URL', async () => {
    await using own = await ownDatabase()
    const url = `${own.url}?options=-c%20search_path%3Dpg_catalog%20-c%20DateStyle%3DGerman`
    await using database = openPostgres(postgresConfig(url), silentLogger)
    const { rows } =
      await sql`select current_setting('search_path') as path, current_setting('DateStyle') as style`.execute(
        database,
      )
    assert.deepEqual(rows, [{ path: 'pg_catalog', style: 'ISO, MDY' }])
  })

  it('of migrations have no timeouts', async () => {
    await using own = await databaseWith({ statement_timeout: '100ms', lock_timeout: '100ms' })
    await using database = openForMigration<unknown>(postgresConfig(own.url), silentLogger)
    await sql`select pg_sleep(0.3)`.execute(database)
    const { rows } = await sql`select current_setting('lock_timeout') as limit`.execute(database)
    assert.deepEqual(rows, [{ limit: '0' }])
  })
})

describe('sessions behind PgBouncer', { skip: withoutPostgres || withoutPgBouncer }, () => {
  const readBehindPgBouncer = async (settings: Readonly<Record<string, string>>) => {
    await using own = await databaseWith(settings)
    await using pooler = await startPgBouncer({ target: own.url })
    const config = { ...postgresConfig(pooler.url), pgBouncer: true }
    await using database = openPostgres<unknown>(config, silentLogger)
    return (
      await sql<{ time: Date }>`select '2026-02-03T04:05:06.789Z'::timestamptz as time`.execute(database)
    ).rows
  }

  for (const [name, value] of [
    ['datestyle', 'SQL, DMY'],
    ['datestyle', 'German'],
    ['default_transaction_isolation', 'serializable'],
  ] as const)
    it(`are refused if the database has ${name} ${value}`, async () => {
      await assert.rejects(readBehindPgBouncer({ [name]: value }), (error: Error) => {
        assert.equal(error.name, 'UnsuitableSession')
        assert.ok(error.message.includes(`'${value}`) && /ALTER DATABASE.*RECONNECT/.test(error.message))
        return isUnusable(error)
      })
    })

  it('may have any time zone and any order of day and month', async () => {
    const rows = await readBehindPgBouncer({ datestyle: 'ISO, DMY', timezone: 'Asia/Kolkata' })
    assert.deepEqual(rows, [{ time: new Date('2026-02-03T04:05:06.789Z') }])
  })

  it('are accepted once the setting is corrected and PgBouncer has opened new ones', async () => {
    await using own = await databaseWith({ datestyle: 'German' })
    await using pooler = await startPgBouncer({ target: own.url })
    const config = { ...postgresConfig(pooler.url), pgBouncer: true }
    await using database = openPostgres<unknown>(config, silentLogger)
    await assert.rejects(sql`select 1`.execute(database), { name: 'UnsuitableSession' })
    await query(`alter database ${own.name} reset datestyle`)
    await assert.rejects(sql`select 1`.execute(database), /RECONNECT/)
    await pooler.command('reconnect')
    assert.equal((await sql`select 1`.execute(database)).rows.length, 1)
  })
})
