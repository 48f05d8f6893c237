import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownSchema, postgresConfig, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Kysely, sql } from 'kysely'
import { openPostgres } from '../src/database.ts'
import { PreparedStatementClient } from '../src/prepared-statements.ts'
import { runText } from '../src/statements/text.ts'

type Things = Kysely<{ things: { id: number; price: string } }>

/** Opens a pool of one connection to a schema with a table `things`, which has one row. */
const openThings = async () => {
  const schema = await ownSchema()
  await query(
    'create table things (id integer, price numeric(12, 2)); insert into things values (1, 5)',
    schema.url,
  )
  const config = { ...postgresConfig(schema.url), poolSize: 1 }
  const open = (): Things => openPostgres(config, silentLogger)
  const database = open()
  return {
    database,
    open,
    alter: (change: string) => query(`alter table things ${change}`, schema.url),
    [Symbol.asyncDispose]: async () => {
      await database.destroy()
      await schema[Symbol.asyncDispose]()
    },
  }
}

const readThing = (database: Things) =>
  database.selectFrom('things').select(['id', 'price']).where('id', '=', 1).executeTakeFirstOrThrow()

const lockThing = (database: Things) =>
  database
    .transaction()
    .execute((transaction) =>
      transaction.selectFrom('things').select('price').where('id', '=', 1).forUpdate().execute(),
    )

const readAll = async (database: Things) =>
  (await sql<Record<string, unknown>>`select * from things where id = ${1}`.execute(database)).rows

describe('a prepared statement', { skip: withoutPostgres }, () => {
  it('is prepared anew after the type of one of its columns has changed', async () => {
    await using things = await openThings()
    const { database, alter } = things
    assert.deepEqual(await readThing(database), { id: 1, price: '5.00' })
    await alter('alter column price type numeric(14, 3)')
    assert.deepEqual(await readThing(database), { id: 1, price: '5.000' })
    await alter('alter column id type bigint')
    assert.deepEqual(await readThing(database), { id: 1, price: '5.000' })
  })

  it('is prepared anew after the server has dropped it', async () => {
    await using things = await openThings()
    await readThing(things.database)
    await sql`deallocate all`.execute(things.database)
    assert.deepEqual(await readThing(things.database), { id: 1, price: '5.00' })
  })

  it('is prepared although the server has another statement of the same name', async () => {
    await using things = await openThings()
    const name = createHash('sha256').update('select * from things where id = $1').digest('hex').slice(0, 32)
    await sql.raw(`prepare "${name}" as select 2`).execute(things.database)
    assert.deepEqual(await readAll(things.database), [{ id: 1, price: '5.00' }])
  })

  it('returns a column that was added, over old and new connections', async () => {
    await using things = await openThings()
    await using other = things.open()
    await readAll(things.database)
    await things.alter('add column stock integer not null default 3')
    for (const database of [other, things.database])
      assert.deepEqual(await readAll(database), [{ id: 1, price: '5.00', stock: 3 }])
  })

  it('fails alone if a value of its result cannot be read', async () => {
    await using things = await openThings()
    const read = (date: string) => sql`select ${date}::timestamptz as at`.execute(things.database)
    await sql`set "DateStyle" = German`.execute(things.database)
    await assert.rejects(read('2026-03-02'), /not a timestamp in DateStyle ISO/)
    await sql`set "DateStyle" = ISO`.execute(things.database)
    assert.equal((await read('2026-03-02')).rows.length, 1)
  })

  it('fails with an error that tells where it was sent', async () => {
    await using things = await openThings()
    const divide = runText(things.database, 'select 1 / $1::integer', [0])
    await assert.rejects(divide, ({ code, stack }: Error & { code?: string }) => {
      assert.equal(code, '22012')
      assert.match(stack ?? '', /prepared-statements\.test/)
      return true
    })
  })

  it('closes its connection if the server does not respond to it in time', async () => {
    await using schema = await ownSchema()
    const client = new PreparedStatementClient({ connectionString: schema.url, query_timeout: 50 })
    await client.connect()
    try {
      const sleep: Promise<unknown> = client.query('select pg_sleep($1)', [5])
      await assert.rejects(sleep, { message: 'Query read timeout' })
      await assert.rejects(client.query('select 1'), /not queryable/)
    } finally {
      await client.end()
    }
  })

  it('fails once in a transaction, which is not continued, and is prepared anew in the next one', async () => {
    await using things = await openThings()
    const { database, alter } = things
    await lockThing(database)
    await alter('alter column price type numeric(14, 3)')
    const insertAndRead = () =>
      database.transaction().execute(async (transaction) => {
        await transaction.insertInto('things').values({ id: 2, price: '1' }).execute()
        await transaction.selectFrom('things').select('price').where('id', '=', 1).forUpdate().execute()
      })
    await assert.rejects(insertAndRead, { code: '0A000' })
    const ids = () => database.selectFrom('things').select('id').orderBy('id').execute()
    assert.deepEqual(await ids(), [{ id: 1 }])
    await insertAndRead()
    assert.deepEqual(await ids(), [{ id: 1 }, { id: 2 }])
    assert.deepEqual(await lockThing(database), [{ price: '5.000' }])
  })
})
