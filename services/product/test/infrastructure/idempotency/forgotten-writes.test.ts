import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import { openRememberedWrites } from '../../../src/infrastructure/postgres-ports.ts'
import { holdLocks } from '../../support/locks.ts'
import { openServerDatabase } from '../../support/store.ts'

it('old writes that another process is forgetting are left to it', { skip: withoutPostgres }, async () => {
  await using schema = await ownSchema()
  await using opened = openServerDatabase(schema.url)
  await migrations.apply(opened.database)
  const insert = `insert into idempotency_keys (key, fingerprint, product_id, written_at)
    select n, 'f', n, now() - interval '25 hours' from generate_series(1, 3) n`
  await query(insert, schema.url)
  await using _ = await holdLocks(schema.url, "delete from idempotency_keys where key = '2'")
  assert.equal(await openRememberedWrites(opened.database).forgetOld(), false)
  assert.deepEqual(await query('select key from idempotency_keys', schema.url), [{ key: '2' }])
})
