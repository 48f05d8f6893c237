import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import {
  ownDatabase,
  ownSchema,
  postgresConfig,
  query,
  withoutPostgres,
} from '@shop/testing/stores/postgres.ts'
import { Client } from 'pg'
import { migrateOnStart } from '../src/migrate-on-start.ts'
import { migrationsIn } from '../src/migrations.ts'

/** Begins a migration at the start of a service. */
const start = async (url: string, migration: string, apply = true) => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'migrations-'))
  await writeFile(join(folder.path, '0001_test.sql'), migration)
  const { logger, lines } = recordingLogger()
  const stopping = new AbortController()
  let aborted = false
  const done = migrateOnStart({
    postgres: postgresConfig(url),
    migrations: migrationsIn(folder.path),
    apply,
    logger,
    signal: stopping.signal,
    abortService: () => {
      aborted = true
    },
  })
  return {
    done,
    stop: () => stopping.abort(),
    log: () => JSON.stringify(lines),
    isAborted: () => aborted,
    waits: () => lines.filter(({ msg }) => String(msg).startsWith('waiting for the database')),
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await done
      await folder.remove()
    },
  }
}

describe('a migration at start', { skip: withoutPostgres }, () => {
  it('that meets the lock of another transaction is repeated until the lock is released, with one stack in the log', async () => {
    await using schema = await ownSchema()
    await query('create table things (id integer); create sequence attempts', schema.url)
    const attempts = async () =>
      Number((await query('select last_value from attempts', schema.url))[0]?.['last_value'])
    const other = new Client({ connectionString: schema.url })
    await other.connect()
    try {
      await other.query('begin; lock table things')
      await using migration = await start(
        schema.url,
        "select nextval('attempts');\nset local lock_timeout = '50ms';\nalter table things add column name text;\n",
      )
      await eventually(20_000, async () => {
        assert.ok(!migration.isAborted())
        assert.ok((await attempts()) >= 3)
      })
      await other.query('commit')
      assert.equal(await migration.done, true, migration.log())
      assert.deepEqual(await query('select name from things', schema.url), [])
      const [first, ...repeated] = migration.waits()
      assert.match(JSON.stringify(first?.['err']), /55P03/)
      assert.ok(repeated.every(({ err }) => err === undefined))
      const counted = repeated.reduce((sum, { count }) => sum + Number(count), 0)
      assert.equal(1 + counted, (await attempts()) - 1)
    } finally {
      await other.end()
    }
  })

  for (const [error, code] of [
    ['a deadlock', '40P01'],
    ['a serialization failure', '40001'],
    ['a cancellation', '57014'],
  ])
    it(`is repeated after ${error}`, async () => {
      await using schema = await ownSchema()
      await query('create sequence attempts', schema.url)
      const failOnce = `do $$ begin if nextval('attempts') = 1 then raise sqlstate '${code}'; end if; end $$;`
      await using migration = await start(schema.url, `create table things (id integer);\n${failOnce}\n`)
      assert.equal(await migration.done, true, migration.log())
      assert.equal(migration.waits().length, 1)
      assert.deepEqual(await query('select id from things', schema.url), [])
    })

  for (const [what, state] of [
    ['schema', '3F000'],
    ['table', '42P01'],
    ['column', '42703'],
  ])
    it(`is repeated at once after another ${what} was dropped`, async () => {
      await using schema = await ownSchema()
      await query('create sequence attempts', schema.url)
      const failTwice = `do $$ begin if nextval('attempts') < 3 then raise sqlstate '${state}'; end if; end $$;`
      await using migration = await start(schema.url, `create table things (id integer);\n${failTwice}\n`)
      assert.equal(await migration.done, true, migration.log())
      assert.equal(migration.waits().length, 0)
    })

  it('that waits for a lock logs a reminder of it; one that waits for the server, or for somebody to migrate, does not speak of locks', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval'] })
    await using own = await ownDatabase()
    const other = new Client({ connectionString: own.url })
    await other.connect()
    try {
      await query('create table things (id integer)', own.url)
      await other.query('begin; lock table things')
      await using waiting = await start(own.url, 'alter table things add column name text;\n')
      await using lost = await start('postgres://postgres@127.0.0.1:1/none', 'select 1;\n')
      await using empty = await ownDatabase()
      await using idle = await start(empty.url, 'select 1;\n', false)
      await eventually(20_000, async () => {
        assert.equal(
          (
            await query(
              `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
              own.url,
            )
          ).length,
          1,
        )
        for (const { waits } of [lost, idle]) assert.equal(waits().length, 1)
      })
      test.mock.timers.tick(10_000)
      await eventually(20_000, async () =>
        assert.match(waiting.log(), /"sessions":\["pid .*a migration runs, or waits for a lock/),
      )
      await delay(300)
      for (const { log } of [lost, idle]) assert.doesNotMatch(log(), /not up to date/)
      await other.query('commit')
      assert.equal(await waiting.done, true, waiting.log())
    } finally {
      await other.end()
    }
  })

  it('that waits for a lock ends when the service stops', async () => {
    await using schema = await ownSchema()
    await query('create table things (id integer)', schema.url)
    const other = new Client({ connectionString: schema.url })
    await other.connect()
    try {
      await other.query('begin; lock table things')
      await using migration = await start(schema.url, 'alter table things add column name text;\n')
      await eventually(20_000, async () => {
        const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table things%'`
        assert.equal((await query(waiting)).length, 1)
      })
      migration.stop()
      assert.equal(await Promise.race([migration.done, delay(5_000, 'still running')]), false)
      assert.ok(!migration.isAborted())
    } finally {
      await other.end()
    }
  })

  it('that fails for another reason ends the service', async () => {
    await using schema = await ownSchema()
    await using migration = await start(schema.url, 'select from missing;\n')
    assert.equal(await migration.done, false)
    assert.ok(migration.isAborted())
  })
})
