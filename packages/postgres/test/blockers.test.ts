import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { Client } from 'pg'
import { openForMigration } from '../src/database.ts'
import { blockersOf, migratingSessions } from '../src/migrations/blockers.ts'
import { inTurn } from '../src/migrations/turn.ts'

const open = (url: string) => openForMigration<unknown>(postgresConfig(url), silentLogger)

describe('the sessions for which a migration may wait', { skip: withoutPostgres }, () => {
  it('are the one that migrates, and those with an open transaction', async () => {
    await using own = await ownDatabase()
    await using database = open(own.url)
    assert.deepEqual(await blockersOf(database), [])
    await inTurn(database, async () => {
      const [migrating, ...others] = (await blockersOf(database)) ?? []
      assert.match(
        String(migrating),
        /^pid \d+ \(test, idle in transaction, since 2\d{3}-.*Z, holds the lock of migrations\)$/,
      )
      assert.deepEqual(others, [])
      assert.deepEqual(await migratingSessions(database), [migrating])
    })
    assert.deepEqual(await migratingSessions(database), [])
  })

  it('are found by a role that may not see what they do', async () => {
    await using own = await ownDatabase()
    const role = `test_${randomBytes(6).toString('hex')}`
    const reader = new Client({ connectionString: own.url, application_name: 'pg_dump' })
    await reader.connect()
    await query(`create role ${role}`)
    try {
      await reader.query('begin; select from pg_class')
      await using database = open(own.url)
      const found = await database.connection().execute(async (connection) => {
        await sql.raw(`set role ${role}`).execute(connection)
        return (await blockersOf(connection)) ?? []
      })
      assert.equal(found.length, 1)
      assert.match(String(found[0]), /^pid \d+ \(pg_dump, state unknown, since an unknown time\)$/)
    } finally {
      await query(`drop role ${role}`)
      await reader.end()
    }
  })
})
