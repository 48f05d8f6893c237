import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { openPostgres } from '../src/database.ts'

test('connections that are lost together are logged with one stack and a count', {
  skip: withoutPostgres,
}, async ({ mock }) => {
  await using schema = await ownSchema()
  mock.timers.enable({ apis: ['setInterval'] })
  const { logger, lines } = recordingLogger()
  const database = openPostgres(postgresConfig(schema.url), logger)
  try {
    const readPid = () =>
      sql<{ pid: number }>`select pg_backend_pid() as pid, pg_sleep(0.1)`.execute(database)
    const results = await Promise.all(Array.from({ length: 5 }, readPid))
    const pids = new Set(results.map(({ rows: [row] }) => Number(row?.pid)))
    assert.ok(pids.size > 1)
    const ofThese = `where pid in (${[...pids].join()})`
    await query(`select pg_terminate_backend(pid) from pg_stat_activity ${ofThese}`)
    // A server process sends its last message before it is gone from the view.
    await eventually(20_000, async () =>
      assert.deepEqual(await query(`select pid from pg_stat_activity ${ofThese}`), []),
    )
    await eventually(20_000, async () => assert.ok(lines.length > 0))
    mock.timers.tick(10_000)
    assert.equal(
      lines.reduce((sum, { count = 1 }) => sum + Number(count), 0),
      pids.size,
    )
    assert.deepEqual(
      new Set(lines.map(({ msg }) => msg)),
      new Set(['database connection lost', 'database connection lost repeatedly']),
    )
    assert.equal(lines.filter(({ err }) => err !== undefined).length, 1)
  } finally {
    await database.destroy()
  }
})

test('after the server has ended a session, the next statement gets another connection', {
  skip: withoutPostgres,
}, async () => {
  await using schema = await ownSchema()
  const database = openPostgres({ ...postgresConfig(schema.url), poolSize: 1 }, silentLogger)
  try {
    for (let round = 0; round < 5; round++) {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database)
      const [{ pid } = { pid: 0 }] = rows
      const running = sql`select pg_sleep(60)`.execute(database)
      running.catch(() => {})
      await query(`select pg_terminate_backend(${pid})`)
      await assert.rejects(running, { code: '57P01' })
      await sql`select 1`.execute(database)
    }
  } finally {
    await database.destroy()
  }
})
