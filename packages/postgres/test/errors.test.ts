import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Kysely, sql } from 'kysely'
import { openPostgres } from '../src/database.ts'
import { isRefusedWrite, mapStoreErrors, UnreadableRow } from '../src/errors.ts'

type Things = Kysely<{ things: { id: number; count: number } }>

/** Opens a schema with a table `things` that has the rows 1 and 2. */
const openThings = async () => {
  const schema = await ownSchema()
  await query('create table things as select id, 0 as count from generate_series(1, 2) as id', schema.url)
  const database: Things = openPostgres(postgresConfig(schema.url), silentLogger)
  return {
    database,
    counts: async () =>
      (await database.selectFrom('things').select('count').orderBy('id').execute()).map(({ count }) => count),
    [Symbol.asyncDispose]: async () => {
      await database.destroy()
      await schema[Symbol.asyncDispose]()
    },
  }
}

/** Returns a function whose first two calls resolve together, and later ones at once. */
const meetingOfTwo = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let arrived = 0
  return async () => {
    arrived += 1
    if (arrived === 2) resolve()
    await promise
  }
}

const increment = (database: Things, id: number) =>
  database.updateTable('things').set({ count: sql`count + 1` }).where('id', '=', id).execute()

describe('a call of a wrapped adapter', { skip: withoutPostgres }, () => {
  it('is repeated after a serialization failure', async () => {
    await using things = await openThings()
    const meet = meetingOfTwo()
    const adapter = {
      increment: () =>
        things.database
          .transaction()
          .setIsolationLevel('serializable')
          .execute(async (transaction) => {
            await transaction.selectFrom('things').select('count').execute()
            await meet()
            await increment(transaction, 1)
          }),
    }
    await Promise.all([1, 2].map(mapStoreErrors(adapter, 'unavailable').increment))
    assert.deepEqual(await things.counts(), [2, 0])
  })

  it('is repeated after a deadlock', async () => {
    await using things = await openThings()
    const meet = meetingOfTwo()
    const adapter = {
      incrementBoth: (ids: readonly number[]) =>
        things.database.transaction().execute(async (transaction) => {
          for (const id of ids) {
            await increment(transaction, id)
            await meet()
          }
        }),
    }
    const { incrementBoth } = mapStoreErrors(adapter, 'unavailable')
    await Promise.all([incrementBoth([1, 2]), incrementBoth([2, 1])])
    assert.deepEqual(await things.counts(), [2, 2])
  })

  for (const [code, expected, calls] of [
    ['40001', 'unavailable', 3],
    ['40P01', 'unavailable', 3],
    ['55P03', 'unavailable', 1],
    ['57014', 'unavailable', 1],
    ['22003', 'unavailable', 1],
    ['23505', 'unavailable', 1],
    ['P0001', 'unavailable', 1],
    ['0A000', 'unavailable', 1],
    ['42601', '42601', 1],
  ] as const)
    it(`rejects with ${expected} after ${calls} calls that fail with ${code}`, async () => {
      await using things = await openThings()
      let count = 0
      const fail = () => {
        count += 1
        return sql.raw(`do $$ begin raise sqlstate '${code}'; end $$`).execute(things.database)
      }
      await assert.rejects(mapStoreErrors({ fail }, 'the store is unavailable').fail(), { code: expected })
      assert.equal(count, calls)
    })
})

describe('an error refuses what a statement writes', () => {
  const withCode = (code: string) => Object.assign(new Error('refused'), { code })
  for (const code of ['22003', '23505', 'P0001', '42804', '0A000', '54000', '44000', 'SHOP1'])
    it(`if its code is ${code}`, () => assert.equal(isRefusedWrite(withCode(code)), true))
  const others = '08006 53100 57014 57P01 55P03 40001 40P01 25006 42501 42P01 58030 XX001 EPIPE ECONNRESET'
  for (const code of ['', ...others.split(' ')])
    it(`but not if its code is "${code}"`, () => assert.equal(isRefusedWrite(withCode(code)), false))
  it('but not if a row cannot be read, or the connection is lost', () => {
    assert.equal(isRefusedWrite(new UnreadableRow('damaged')), false)
    assert.equal(isRefusedWrite(new Error('Connection terminated unexpectedly')), false)
  })
})
