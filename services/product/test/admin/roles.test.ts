import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openForMigration } from '@shop/postgres/database.ts'
import { root } from '@shop/testing/files.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { postgresConfigOf } from '../support/config.ts'

const withoutPsql = await unlessReachable('psql (in PATH)', async () => {
  const { error } = spawnSync('psql', ['--version'])
  if (error !== undefined) throw error
})

const migrate = async (url: string): Promise<string[]> => {
  const database = openForMigration(postgresConfigOf({ DATABASE_URL: url }), silentLogger)
  try {
    return await migrations.apply(database)
  } finally {
    await database.destroy()
  }
}

/** A database of its own, and a copy of roles.sql with roles of its own, because roles belong to the whole server. */
const ownRoles = async () => {
  const database = await ownDatabase()
  const service = `test_${randomBytes(6).toString('hex')}`
  const owner = `${service}_owner`
  const script = readFileSync(join(root, 'deploy/postgres/roles.sql'), 'utf8').replaceAll(
    /\bshop(_owner)?\b/g,
    `${service}$1`,
  )
  const urlOf = (role: string) =>
    Object.assign(new URL(database.url), { username: role, password: 'secret' }).href
  const run = (environment: Readonly<Record<string, string>>) =>
    spawnSync('psql', ['--no-psqlrc', database.url], {
      input: script,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...environment },
    })
  return {
    database,
    service,
    owner,
    serviceUrl: urlOf(service),
    ownerUrl: urlOf(owner),
    run,
    create: () => {
      const { status, stdout, stderr } = run({ DB_OWNER_PASSWORD: 'secret', DB_SERVICE_PASSWORD: 'secret' })
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
    },
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]()
      for (const role of [owner, service]) await query(`drop role if exists ${role}`)
    },
  }
}

type Roles = Awaited<ReturnType<typeof ownRoles>>

/** The service's role reads and writes rows, and may do nothing else. */
const assertRights = async ({ serviceUrl, owner, database }: Roles) => {
  const [row] = await query<{ id: number }>(
    "insert into products (name, price) values ('Pen', 1) returning id",
    serviceUrl,
  )
  await query(`update products set price = 2 where id = ${row?.id}`, serviceUrl)
  await query(`delete from products where id = ${row?.id}`, serviceUrl)
  await query("select setval('products_id_seq', 100)", serviceUrl)
  assert.ok((await query('select name from kysely_migration', serviceUrl)).length > 0)
  for (const statement of [
    "insert into kysely_migration values ('x', 'x')",
    'delete from kysely_migration',
    'truncate products',
    'alter table products add column x int',
    'create table t (id int)',
    "copy products to program 'id'",
  ])
    await assert.rejects(query(statement, serviceUrl), { code: '42501' }, statement)
  const owners = await query(
    "select distinct tableowner as name from pg_tables where schemaname = 'public'",
    database.url,
  )
  assert.deepEqual(owners, [{ name: owner }])
}

describe('deploy/postgres/roles.sql', { skip: withoutPostgres || withoutPsql }, () => {
  it('makes an owner who migrates an empty database, and a role that only reads and writes rows', async () => {
    await using roles = await ownRoles()
    roles.create()
    assert.ok((await migrate(roles.ownerUrl)).length > 2)
    await assertRights(roles)
    // A later table needs no grant.
    await query('create table later (id int generated always as identity, note text)', roles.ownerUrl)
    await query("insert into later (note) values ('x')", roles.serviceUrl)
  })

  it('takes over the tables of a superuser, and can be repeated', async () => {
    await using roles = await ownRoles()
    await migrate(roles.database.url)
    await query('create view cheap as select id from products where price < 1', roles.database.url)
    await query('create sequence numbers', roles.database.url)
    roles.create()
    roles.create()
    assert.deepEqual(await migrate(roles.ownerUrl), [])
    await assertRights(roles)
    await query('drop view cheap', roles.ownerUrl)
    await query('drop sequence numbers', roles.ownerUrl)
    await query('alter table products add column later int', roles.ownerUrl)
  })

  it('changes nothing without a password', async () => {
    await using roles = await ownRoles()
    for (const [given, missing] of [
      ['DB_OWNER_PASSWORD', 'DB_SERVICE_PASSWORD'],
      ['DB_SERVICE_PASSWORD', 'DB_OWNER_PASSWORD'],
    ] as const) {
      const { status, stderr } = roles.run({ [given]: 'secret' })
      assert.notEqual(status, 0)
      assert.match(stderr, new RegExp(`ERROR: +${missing} is not set`))
    }
    assert.deepEqual(await query(`select from pg_roles where rolname = '${roles.owner}'`), [])
  })
})
