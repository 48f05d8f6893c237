import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { openPostgres } from '../src/database.ts'

test('a transaction rejects with the error that made it fail, even if the connection is lost before the rollback', {
  skip: withoutPostgres,
}, async () => {
  await using schema = await ownSchema()
  await using database = openPostgres<unknown>({ ...postgresConfig(schema.url), poolSize: 1 }, silentLogger)
  const failed = database.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
    await query(`select pg_terminate_backend(${rows[0]?.pid}, 5000)`)
    throw new Error('the cause')
  })
  await assert.rejects(failed, { message: 'the cause' })
  assert.deepEqual((await sql`select 1 as one`.execute(database)).rows, [{ one: 1 }])
})
