import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { silentServerOn } from '@shop/testing/services/tcp.ts'
import { ownSchema, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'
import { type Kysely, sql } from 'kysely'
import { runWithSignal } from '../src/cancellation.ts'
import { ClientWithErrorHandler } from '../src/client.ts'
import { openPostgres } from '../src/database.ts'
import { isUnavailable } from '../src/errors.ts'
import { withPrimaryFinder } from '../src/hosts/primary-finder.ts'

type Database = Kysely<unknown>

const readOne = async <Value>(database: Database, expression: string): Promise<Value | undefined> =>
  (await sql<{ value: Value }>`select ${sql.raw(expression)} as value where ${1} = 1`.execute(database))
    .rows[0]?.value

const pidOf = (database: Database) => readOne<number>(database, 'pg_backend_pid()')
const portOf = (database: Database) => readOne<number>(database, 'inet_server_port()')

describe('with one host, a connection whose server refuses a write as read-only', {
  skip: withoutPostgres,
}, () => {
  const open = async () => {
    const schema = await ownSchema()
    const database = openPostgres({ ...postgresConfig(schema.url), poolSize: 1 }, silentLogger)
    await sql`create table things (id integer)`.execute(database)
    await sql`set default_transaction_read_only = on`.execute(database)
    return {
      database,
      write: () => sql`insert into things values (${1})`.execute(database),
      [Symbol.asyncDispose]: async () => {
        await database.destroy()
        await schema[Symbol.asyncDispose]()
      },
    }
  }

  it('is replaced if it is older than a second', async () => {
    await using own = await open()
    const pid = await pidOf(own.database)
    await delay(1_100)
    await assert.rejects(own.write(), { code: '25006' })
    await own.write()
    assert.notEqual(await pidOf(own.database), pid)
  })

  it('is kept if it is younger', async () => {
    await using own = await open()
    const startedAt = performance.now()
    const pid = await pidOf(own.database)
    await assert.rejects(own.write(), { code: '25006' })
    if (performance.now() < startedAt + 900) assert.equal(await pidOf(own.database), pid)
  })
})

describe('with several hosts', { skip: withoutPostgresPrograms }, () => {
  const stack = new AsyncDisposableStack()
  let primary: PostgresServer
  let replica: PostgresServer
  before(async () => {
    primary = stack.use(await startPostgresServer({ tls: true }))
    replica = stack.use(await startPostgresServer({ primary }))
  })
  after(() => stack.disposeAsync())

  const hostsOf = (...ports: readonly number[]) => ports.map((port) => ({ host: '127.0.0.1', port }))
  const open = (...ports: readonly number[]) => {
    const hosts = hostsOf(...ports)
    const url = `postgres://postgres@127.0.0.1:${hosts[0]?.port}/postgres?statement_timeout=0`
    const config = { ...postgresConfig(url), address: { url, hosts }, poolSize: 2 }
    return openPostgres<unknown>(config, silentLogger)
  }
  const endsWithin = (ms: number, work: Promise<unknown>) =>
    Promise.race([work, delay(ms, undefined, { ref: false }).then(() => assert.fail(`takes over ${ms} ms`))])

  it('connections go to the server that takes writes, wherever it is in the list', async () => {
    const silentPort = await freePort()
    await using silent = silentServerOn(silentPort)
    await silent.start()
    for (const ports of [
      [primary.port, replica.port],
      [replica.port, primary.port],
      [silentPort, await freePort(), primary.port],
    ]) {
      await using database = open(...ports)
      assert.equal(await portOf(database), primary.port, ports.join())
    }
  })

  it('calls fail as unavailable if none takes writes, with the reason of each', async () => {
    const unused = await freePort()
    await using database = open(unused, replica.port)
    await assert.rejects(pidOf(database), (error: Error) => {
      assert.ok(isUnavailable(error))
      assert.equal(
        error.message,
        `none of the configured PostgreSQL servers accepts writes: 127.0.0.1:${unused}: connect ECONNREFUSED 127.0.0.1:${unused}; 127.0.0.1:${replica.port}: it is read-only`,
      )
      return true
    })
  })

  it('the certificate is verified for the host that is used', async () => {
    const tls = { mode: 'verify-full', rootCertificate: primary.certificate } as const
    const isEncryptedOn = async (host: string) => {
      const credentials = { user: 'postgres', password: '', database: 'postgres' }
      const hosts = [
        { host: '127.0.0.1', port: await freePort() },
        { host, port: primary.port },
      ]
      const address = { host: '127.0.0.1', port: primary.port, ...credentials, hosts }
      await using database = openPostgres<unknown>({ ...postgresConfig(''), address, tls }, silentLogger)
      return await readOne<boolean>(database, '(select ssl from pg_stat_ssl where pid = pg_backend_pid())')
    }
    assert.equal(await isEncryptedOn('127.0.0.1'), true)
    await assert.rejects(isEncryptedOn('localhost'), /none of the .*altnames/)
  })

  it('a statement is cancelled on the server that runs it', async () => {
    await using database = open(await freePort(), primary.port)
    const controller = new AbortController()
    const slow = runWithSignal(controller.signal, 'slow', () => readOne(database, 'pg_sleep(60)::text'))
    const running = () =>
      query(`select from pg_stat_activity where query ~ '^select pg_sleep' and state = 'active'`, primary.url)
    await eventually(20_000, async () => assert.equal((await running()).length, 1))
    controller.abort(new Error('gone'))
    await assert.rejects(slow, /gone/)
    assert.equal((await running()).length, 0)
  })

  it('reads leave a server that is set to read-only, and stay on it until another one takes writes', async () => {
    await using first = await startPostgresServer()
    await using second = await startPostgresServer({ primary: first })
    await using database = open(first.port, second.port)
    assert.equal(await portOf(database), first.port)
    await delay(1_100)
    await query('alter system set default_transaction_read_only = on', first.url)
    await query('select pg_reload_conf()', first.url)
    await eventually(20_000, async () =>
      assert.equal(await readOne(database, `current_setting('default_transaction_read_only')`), 'on'),
    )
    await delay(200)
    assert.equal(await portOf(database), first.port)
    await second.promote()
    await eventually(20_000, async () => assert.equal(await portOf(database), second.port))
  })

  it('a ping finds the promoted server while the old one hangs, and drops the connections to that one', async () => {
    await using first = await startPostgresServer()
    await using second = await startPostgresServer({ primary: first })
    const settings = { user: 'postgres', database: 'postgres', hosts: hostsOf(first.port, second.port) }
    const shared = withPrimaryFinder(settings)
    const client = new ClientWithErrorHandler(shared)
    await client.connect()
    assert.equal(client.port, first.port)
    const ping = async (limitMs: number) => shared.finder?.ping(limitMs)
    await ping(5_000)

    const [processes] = await query(
      `select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::integer as server,
        (select max(pid) from pg_stat_activity where application_name = '' and backend_type = 'client backend' and pid <> pg_backend_pid()) as backend`,
      first.url,
    )
    const pids = [Number(processes?.['server']), Number(processes?.['backend'])]
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    try {
      const dropped = assert.rejects(client.query('select 1'), /terminated/)
      await endsWithin(4_000, assert.rejects(ping(500), { code: 'unavailable' }))
      await second.promote()
      await eventually(20_000, () => ping(5_000))
      await endsWithin(4_000, dropped)
      const next = new ClientWithErrorHandler(shared)
      await next.connect()
      assert.equal(next.port, second.port)
      await next.end()
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
  })
})
