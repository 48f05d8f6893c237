import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { startPgBouncer, withoutPgBouncer } from '@shop/testing/stores/pgbouncer.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { send } from '../support/http.ts'

const payload = { name: 'Desk Lamp', price: 34.5 }

/** Starts the service on a database with unusual settings. */
const start = async (
  connect = async (url: string): Promise<Readonly<Record<string, string>>> => ({ DATABASE_URL: url }),
) => {
  const own = await ownDatabase()
  for (const setting of [
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Kolkata'",
    "default_transaction_isolation = 'serializable'",
  ])
    await query(`alter database ${own.name} set ${setting}`)
  const { logger, lines } = recordingLogger()
  const adapters = await openAdapters({ config: readConfig(await connect(own.url)), logger })
  const app = await createApp(adapters, logger)
  return {
    http: app.http,
    url: own.url,
    name: own.name,
    lines,
    isReady: async () => (await send(app.http, { url: '/health/ready' })).statusCode === 200,
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]()
      await adapters[Symbol.asyncDispose]()
      await own[Symbol.asyncDispose]()
    },
  }
}

test('times and concurrent writes are right in a database with another DateStyle, time zone and isolation', {
  skip: withoutPostgres,
}, async () => {
  await using service = await start()
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  const before = Date.now()
  const created = await send(service.http, { method: 'POST', url: '/products', payload })
  assert.equal(created.statusCode, 201)
  const { id, created_at } = created.json()
  assert.ok(Math.abs(Date.parse(created_at) - before) < 60_000)
  for (const time of ['2026-02-03T04:05:06.789Z', '2026-12-27T04:05:06.789Z']) {
    await query(`update products set created_at = '${time}' where id = ${id}`, service.url)
    assert.equal((await send(service.http, { url: `/products/${id}` })).json().created_at, time)
  }
  const patch = { method: 'PATCH', url: `/products/${id}`, payload: { stock: 3 } } as const
  const patches = await Promise.all(Array.from({ length: 40 }, () => send(service.http, patch)))
  assert.deepEqual(new Set(patches.map(({ statusCode }) => statusCode)), new Set([200]))
})

test('behind PgBouncer the service is not ready, and logs why, until the settings are corrected', {
  skip: withoutPostgres || withoutPgBouncer,
}, async () => {
  await using stack = new AsyncDisposableStack()
  let pgBouncer: Awaited<ReturnType<typeof startPgBouncer>> | undefined
  const service = stack.use(
    await start(async (target) => {
      pgBouncer = stack.use(await startPgBouncer({ target }))
      return { DATABASE_URL: pgBouncer.url, DB_PGBOUNCER: 'on' }
    }),
  )
  const reason = () => service.lines.some((line) => JSON.stringify(line).includes("DateStyle 'SQL, DMY'"))
  await eventually(20_000, async () => assert.ok(reason()))
  assert.equal(await service.isReady(), false)
  assert.equal((await send(service.http, { method: 'POST', url: '/products', payload })).statusCode, 503)
  for (const setting of ['datestyle', 'default_transaction_isolation'])
    await query(`alter database ${service.name} reset ${setting}`)
  await pgBouncer?.command('reconnect')
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  assert.equal((await send(service.http, { method: 'POST', url: '/products', payload })).statusCode, 201)
})
