import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { probeOf } from '../../src/infrastructure/postgres-ports.ts'
import { openServerDatabase } from '../support/store.ts'

test('a health check waits once for a connection of a busy pool', { skip: withoutPostgres }, async () => {
  await using schema = await ownSchema()
  await using opened = openServerDatabase(schema.url, { DB_POOL_SIZE: '1' })
  const { database } = opened
  await migrations.apply(database)
  const order: string[] = []
  const check = probeOf(database)(new AbortController().signal).then(() => order.push('check'))
  const requests = ['first', 'second', 'third'].map((name) =>
    sql`select 1`.execute(database).then(() => order.push(name)),
  )
  await Promise.all([check, ...requests])
  assert.deepEqual(order, ['check', 'first', 'second', 'third'])
})
