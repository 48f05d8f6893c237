import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startProxy } from '@shop/testing/stores/own-redis.ts'
import { ownDatabase, postgresConfig, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { openPostgres } from '../src/database.ts'

it('a connection on which a query or a transaction got no response is not used again', {
  skip: withoutPostgres,
}, async () => {
  await using own = await ownDatabase()
  using proxy = await startProxy(Number(new URL(own.url).port) || 5_432)
  const url = Object.assign(new URL(own.url), { hostname: '127.0.0.1', port: proxy.port }).href
  await using database = openPostgres<unknown>({ ...postgresConfig(url), poolSize: 1 }, silentLogger)
  const one = sql`select 1`
  await one.execute(database)

  proxy.freezeConnections()
  await assert.rejects(one.execute(database), /Query read timeout/)
  await one.execute(database)

  const started = performance.now()
  const transaction = database.transaction().execute(async (connection) => {
    proxy.freezeConnections()
    await one.execute(connection)
  })
  await assert.rejects(transaction, /Query read timeout/)
  // The rollback is not sent, which would time out as well, after another 3.5 s.
  assert.ok(performance.now() - started < 6_500)
  await one.execute(database)
})
