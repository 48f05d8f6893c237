import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { findRemembered } from '../../../src/infrastructure/idempotency/find-remembered.ts'
import { postgresRememberedWrites } from '../../../src/infrastructure/idempotency/remembered-writes.ts'
import { migrations } from '../../../src/infrastructure/migrations.ts'
import type { Database } from '../../../src/infrastructure/products-table.ts'
import { recordStatements } from '../../support/statements.ts'
import { openServerDatabase } from '../../support/store.ts'

describe('plans of the statements about remembered writes', { skip: withoutPostgres }, () => {
  const stack = new AsyncDisposableStack()
  let database: Database
  before(async () => {
    const schema = stack.use(await ownSchema())
    ;({ database } = stack.use(openServerDatabase(schema.url)))
    await migrations.apply(database)
  })
  after(() => stack.disposeAsync())

  /** The plan of the one statement that this sends. */
  const planOf = async (send: (database: Database) => Promise<unknown>): Promise<string> => {
    const recorded = recordStatements(database)
    await send(recorded.database)
    const [statement = assert.fail(), ...others] = recorded.matching(/idempotency_keys/)
    assert.deepEqual(others, [])
    return database.connection().execute(async (connection) => {
      await sql`set plan_cache_mode = force_generic_plan`.execute(connection)
      await sql`prepare planned as ${sql.raw(statement)}`.execute(connection)
      const argument = statement.includes('$1') ? "('a')" : ''
      const { rows } = await sql<Record<string, string>>`explain execute planned${sql.raw(argument)}`.execute(
        connection,
      )
      await sql`deallocate planned`.execute(connection)
      return rows.flatMap((row) => Object.values(row)).join('\n')
    })
  }
  const assertIndexed = async () => {
    const found = await planOf((recorded) => findRemembered(recorded, 'a'))
    assert.match(found, /Index Scan using idempotency_keys_pkey/)
    assert.doesNotMatch(found, /Seq Scan/)
    const removed = await planOf((recorded) => postgresRememberedWrites(recorded).forgetOld())
    assert.match(removed, /Index Scan (using|on) idempotency_keys_written_at/)
    assert.match(removed, /Tid Scan on idempotency_keys/)
    assert.doesNotMatch(removed, /Seq Scan/)
    return removed
  }

  it('use the indexes of an empty table', async () => {
    await assertIndexed()
  })

  for (const old of [0, 100, 30_000])
    it(`use the indexes of 30,000 rows, ${old} of them old`, async () => {
      await sql`truncate idempotency_keys`.execute(database)
      await sql`insert into idempotency_keys (key, fingerprint, product_id, version, fields, written_at)
        select md5(n::text), 'f', n, 1, jsonb_build_object('name', n, 'description', repeat('x', 200)),
          now() - case when n <= ${old}::integer then interval '24 hours' else interval '0' end - n * interval '1 ms'
        from generate_series(1, 30000) n`.execute(database)
      await sql`analyze idempotency_keys`.execute(database)
      assert.doesNotMatch(await assertIndexed(), /Sort/)
    })
})
