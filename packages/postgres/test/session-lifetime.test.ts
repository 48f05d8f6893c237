import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Kysely, sql } from 'kysely'
import { openPostgres } from '../src/database.ts'

/** Opens a pool of one connection, so that statements share a session. */
const openSession = (url: string): Kysely<unknown> =>
  openPostgres({ ...postgresConfig(url), poolSize: 1 }, silentLogger)

const sessionOf = async (database: Kysely<unknown>): Promise<number | undefined> => {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database)
  return rows[0]?.pid
}

describe('a session', { skip: withoutPostgres }, () => {
  it('ends after its maximum lifetime, when its statement has finished', async () => {
    await using own = await ownDatabase()
    await using database = openSession(own.url)
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const sessions: unknown[] = []
      for (const seconds of [1, 605])
        await database.connection().execute(async (connection) => {
          sessions.push(await sessionOf(connection))
          mock.timers.tick(seconds * 1_000)
          sessions.push(await sessionOf(connection))
        })
      assert.equal(new Set(sessions).size, 1)
      assert.notEqual(await sessionOf(database), sessions[0])
    } finally {
      mock.timers.reset()
    }
  })

  for (const [name, statement, code] of [
    ['a missing table', 'select * from missing', '42P01'],
    ['a missing schema', 'create table missing.things ()', '3F000'],
    ['a missing right', 'alter system reset work_mem', '42501'],
  ] as const)
    it(`is replaced after ${name}, if it is older than a second`, async () => {
      await using own = await ownDatabase()
      const role = `${own.name}_role`
      await query(`create role ${role} login`)
      try {
        await using database = openSession(Object.assign(new URL(own.url), { username: role }).href)
        const first = await sessionOf(database)
        const fail = () => assert.rejects(sql.raw(statement).execute(database), { code })
        await delay(1_100)
        await fail()
        const second = await sessionOf(database)
        assert.notEqual(second, first)
      } finally {
        await query(`drop role ${role}`)
      }
    })

  it('is kept after other errors', async () => {
    await using own = await ownDatabase()
    await using database = openSession(own.url)
    const first = await sessionOf(database)
    await delay(1_100)
    await assert.rejects(sql`select 1 / 0`.execute(database), { code: '22012' })
    assert.equal(await sessionOf(database), first)
  })
})
