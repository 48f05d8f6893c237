import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openForMigration, openPostgres } from '@shop/postgres/database.ts'
import { migrateOnStart } from '@shop/postgres/migrate-on-start.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { startPgBouncer, withoutPgBouncer } from '@shop/testing/stores/pgbouncer.ts'
import { query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { migrations } from '../../src/infrastructure/migrations.ts'
import type { Tables } from '../../src/infrastructure/products-table.ts'
import { postgresConfigOf } from '../support/config.ts'
import { openFirst, openForTest } from '../support/first-release.ts'
import { holdLocks } from '../support/locks.ts'

const later = ['0002_groups', '0003_list_indexes', '0004_idempotency_keys']
const admin = join(import.meta.dirname, '../../src/admin')
const readerMs = 4_000
/** A migration that takes longer counts as hanging. */
const limitMs = 20_000
/** Requests are given up after 3 s. */
const maxAnswerMs = 1_500

const within = async <Result>(work: Promise<Result>): Promise<Result> => {
  const late = delay(limitMs, undefined, { ref: false }).then(() => assert.fail('the migration hangs'))
  return Promise.race([work, late])
}

const runProgram = (url: string, name = 'migrate') => {
  const child = spawn(process.execPath, [join(admin, `${name}.ts`)], {
    env: { ...process.env, DATABASE_URL: url },
  })
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      output.text += String(data)
    })
  const ended = once(child, 'exit').then(([code]) => ({ code, output: output.text }))
  return { child, output, ended, [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** Reads and writes until `end` settles. Resolves with the longest time of an answer. */
const useMeanwhile = async (url: string, end: Promise<unknown>): Promise<number> => {
  await using database = openPostgres(postgresConfigOf({ DATABASE_URL: url }), silentLogger)
  const state = { ended: false }
  void end.finally(() => {
    state.ended = true
  })
  let longest = 0
  while (!state.ended) {
    const start = performance.now()
    await sql`select name from products`.execute(database)
    await sql`update products set stock = stock + 1`.execute(database)
    longest = Math.max(longest, performance.now() - start)
    await delay(20)
  }
  return longest
}

const startMigration = (url: string) => {
  const { logger, lines } = recordingLogger()
  const done = migrateOnStart({
    postgres: postgresConfigOf({ DATABASE_URL: url }),
    migrations,
    apply: true,
    logger,
    signal: new AbortController().signal,
    abortService: () => assert.fail('aborted'),
  })
  return { done, log: () => JSON.stringify(lines) }
}

describe('a migration that meets a long transaction', { skip: withoutPostgres }, () => {
  it('at start waits for its end, while other requests are answered, and succeeds', async () => {
    await using first = await openFirst()
    await using reader = await holdLocks(first.url, 'select from products')
    const { done: upgrade, log } = startMigration(first.url)
    const longest = useMeanwhile(first.url, upgrade)
    const late = await Promise.race([delay(readerMs, 'waits'), upgrade])
    await reader.release()
    assert.equal(late, 'waits')
    assert.equal(await within(upgrade), true, log())
    assert.ok((await longest) < maxAnswerMs, `${await longest} ms`)
    assert.match(log(), /waiting for the database/)
  })

  it('by the program says for which sessions it may wait, and succeeds', async () => {
    await using first = await openFirst()
    const named = new URL(first.url)
    named.searchParams.set('application_name', 'long_reader')
    await using reader = await holdLocks(named.href, 'select from products')
    using run = runProgram(first.url)
    const longest = useMeanwhile(first.url, run.ended)
    await eventually(limitMs, async () =>
      assert.match(run.output.text, /pid \d+ \(long_reader, idle in transaction, since 2/),
    )
    await delay(readerMs)
    await reader.release()
    const { code, output } = await within(run.ended)
    assert.equal(code, 0, output)
    assert.match(output, /Applied: 0002_groups, 0003_list_indexes, 0004_idempotency_keys/)
    assert.ok((await longest) < maxAnswerMs, `${await longest} ms`)
  })

  it('by the program ends on Ctrl-C, and leaves no lock', async () => {
    await using first = await openFirst()
    await using reader = await holdLocks(first.url, 'select from products')
    using run = runProgram(first.url)
    await eventually(limitMs, async () => assert.match(run.output.text, /Ctrl-C/))
    run.child.kill('SIGINT')
    assert.notEqual((await within(run.ended)).code, 0)
    await reader.release()
    assert.deepEqual(await within(migrations.apply(first.database)), later)
  })
})

describe('a migration that meets the lock of another', { skip: withoutPostgres }, () => {
  it('names the session that holds it every ten seconds, as the status does, and succeeds after its end', async () => {
    await using first = await openFirst()
    const named = new URL(first.url)
    named.searchParams.set('application_name', 'hung_migration')
    const key = "hashtext('migrations of ' || current_schema())"
    await using other = await holdLocks(named.href, `select pg_advisory_xact_lock(${key})`)
    using run = runProgram(first.url)
    const service = startMigration(first.url)
    const line = /pid \d+ \(hung_migration, idle in transaction, since [^,]*, holds the lock of migrations\)/
    using status = runProgram(first.url, 'status')
    assert.match((await within(status.ended)).output, line)
    for (const said of [() => run.output.text, service.log])
      await eventually(limitMs, async () => assert.match(said(), line))
    await other.release()
    const { code, output } = await within(run.ended)
    assert.equal(code, 0, output)
    assert.equal(await within(service.done), true, service.log())
    assert.deepEqual(await migrations.apply(first.database), [])
  })

  it("does not wait for Kysely's lock, which the last release may have left in a session of PgBouncer", async () => {
    await using first = await openFirst()
    await using _ = await holdLocks(first.url, 'select pg_advisory_lock(3853314791062309107)')
    assert.deepEqual(await within(migrations.apply(first.database)), later)
  })
})

describe('a migration through PgBouncer in transaction mode', {
  skip: withoutPgBouncer || withoutPostgres,
}, () => {
  for (const server_round_robin of [0, 1])
    it(`leaves no lock for the next ones, through it or directly, with server_round_robin = ${server_round_robin}`, async () => {
      await using first = await openFirst()
      await using pgBouncer = await startPgBouncer({ target: first.url, settings: { server_round_robin } })
      const config = postgresConfigOf({ DATABASE_URL: pgBouncer.url, DB_PGBOUNCER: 'on' })
      await using through = openForMigration(config, silentLogger)
      // Opens several connections to the server.
      await Promise.all(Array.from({ length: 3 }, () => query('select pg_sleep(0.3)', pgBouncer.url)))
      assert.deepEqual(await within(migrations.apply(through)), later)
      const locks =
        "select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
      assert.deepEqual(await query(locks, first.url), [])
      const again = later.slice(1)
      const undo = `delete from kysely_migration where name in ('${again.join("', '")}'); drop table idempotency_keys`
      for (const url of [first.url, pgBouncer.url, first.url]) {
        await query(undo, first.url)
        const isDirect = url === first.url
        await using repeating = isDirect ? openForTest(url) : openForMigration<Tables>(config, silentLogger)
        assert.deepEqual(await within(migrations.apply(repeating)), again)
      }
    })
})
