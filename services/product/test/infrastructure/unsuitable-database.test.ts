import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createHealth } from '@shop/platform/health/health.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { ownDatabase, ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sql } from 'kysely'
import { readConfig } from '../../src/config.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { migrations } from '../../src/infrastructure/migrations.ts'
import { grantAll, ownRole } from '../support/role.ts'
import { fieldsOf, openServerDatabase } from '../support/store.ts'
import { context, useCasesOf } from '../support/use-cases.ts'

/** Opens the adapters of the service. */
const start = async (url: string, variables: Record<string, string> = {}) => {
  const { logger, lines } = recordingLogger()
  const aborted = Promise.withResolvers<void>()
  const config = readConfig({ DATABASE_URL: url, ...variables })
  const adapters = await openAdapters({ config, logger, abortService: aborted.resolve })
  const health = createHealth('product-service', '0', adapters.dependencies)
  return {
    useCases: useCasesOf(adapters.ports),
    lines,
    aborted: aborted.promise,
    status: async () => (await health.report()).status,
    [Symbol.asyncDispose]: () => adapters[Symbol.asyncDispose](),
  }
}

type Service = Awaited<ReturnType<typeof start>>

const waitForStatus = (service: Service, status: string) =>
  eventually(20_000, async () => assert.equal(await service.status(), status))

/** Asserts that the service on this database aborts with this `fatal` log line and never becomes ready. */
const assertRefused = async (url: string, message: RegExp, variables: Record<string, string> = {}) => {
  await using service = await start(url, variables)
  await service.aborted
  assert.match(String(service.lines.find(({ level }) => level === 60)?.['msg']), message)
  assert.equal(await service.status(), 'unhealthy')
}

describe('the service refuses to start', { skip: withoutPostgres }, () => {
  for (const encoding of ['LATIN1', 'SQL_ASCII'])
    test(`on a database in ${encoding}, without migrating it`, async () => {
      await using database = await ownDatabase(
        `template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`,
      )
      for (const MIGRATE of ['on', 'off'])
        await assertRefused(database.url, new RegExp(`encoding of the database is ${encoding}`), { MIGRATE })
      const tables = await query("select from pg_tables where schemaname = 'public'", database.url)
      assert.equal(tables.length, 0)
    })

  test('on a server that is older than supported', async () => {
    await using schema = await ownSchema()
    // A function that hides the real one, because no older server is installed.
    await query(
      `create function current_setting(name text) returns text language sql as
        $$ select case name when 'server_version_num' then '140020' else pg_catalog.current_setting(name) end $$`,
      schema.url,
    )
    const url = schema.url.replace(/(search_path%3D\w+)/, '$1,pg_catalog')
    await assertRefused(url, /PostgreSQL 14 is not supported: upgrade the server to PostgreSQL 15 or later/)
  })

  test('as a role without rights to write, and logs which to grant', async () => {
    await using role = await ownRole()
    await role.migrate()
    await role.query(`grant select on products, kysely_migration to ${role.role}`)
    await assertRefused(
      role.url,
      /grant it insert on products, update on products, delete on products, select on idempotency_keys, insert on idempotency_keys, update on idempotency_keys, delete on idempotency_keys$/,
    )
    // Control: with these rights it becomes ready. The sequence of an identity column needs none.
    await role.query(grantAll(role.role))
    await using service = await start(role.url)
    await waitForStatus(service, 'healthy')
    await service.useCases.createProduct(fieldsOf(), context)
  })

  for (const owner of ['products.id', 'none'])
    test(`as a role without rights on a sequence, owned by ${owner}, that is the default of the ids`, async () => {
      await using role = await ownRole()
      await role.migrate()
      await role.query(
        `alter table products alter column id drop identity;
         create sequence ids owned by ${owner};
         alter table products alter column id set default nextval('ids')`,
      )
      await role.query(grantAll(role.role))
      await assertRefused(role.url, /grant it usage on sequence ids$/)
    })

  for (const DB_PGBOUNCER of ['off', 'on'])
    test(`as a role to which row-level security applies, with DB_PGBOUNCER=${DB_PGBOUNCER}`, async () => {
      await using role = await ownRole()
      await role.migrate()
      await role.query(`${grantAll(role.role)}; alter table products enable row level security`)
      await assertRefused(
        role.url,
        new RegExp(
          `row-level security of products applies to the role ${role.role}: alter the role to bypassrls`,
        ),
        { DB_PGBOUNCER },
      )
    })

  test('as a role that may not migrate the database', async () => {
    await using role = await ownRole()
    await assertRefused(role.url, /the database role may not migrate the database/)
  })

  test('as a role that may not use the schema', async () => {
    await using role = await ownRole()
    const name = role.role.replace('_role', '')
    await role.query(`revoke usage on schema ${name} from ${role.role}`)
    await assertRefused(role.url, /search_path names no schema .* grant usage on it$/)
  })
})

describe('a running service', { skip: withoutPostgres }, () => {
  for (const MIGRATE of ['on', 'off'])
    test(`${MIGRATE === 'on' ? 'migrates' : 'does not migrate'} a database that is dropped and created, with MIGRATE=${MIGRATE}`, async () => {
      await using own = await ownDatabase()
      await using owner = openServerDatabase(own.url)
      await migrations.apply(owner.database)
      await owner.database.destroy()
      await using service = await start(own.url, { MIGRATE })
      await waitForStatus(service, 'healthy')
      await query(`drop database ${own.name} with (force)`)
      assert.equal(await service.status(), 'unhealthy')
      await query(`create database ${own.name}`)
      if (MIGRATE === 'on') {
        await waitForStatus(service, 'healthy')
        assert.equal((await service.useCases.createProduct(fieldsOf(), context)).id, 1)
      }
      // Longer than it takes with MIGRATE=on.
      else
        for (const end = performance.now() + 6_000; performance.now() < end; await delay(200))
          assert.equal(await service.status(), 'unhealthy')
    })

  test('does not create a table again that has moved to a schema outside of the search_path', async () => {
    await using own = await ownDatabase()
    await using service = await start(own.url)
    await waitForStatus(service, 'healthy')
    await query(
      'create schema other; alter table products set schema other; alter table kysely_migration set schema other',
      own.url,
    )
    for (const end = performance.now() + 6_000; performance.now() < end; await delay(200))
      assert.equal(await service.status(), 'unhealthy')
    await query('alter table other.products set schema public', own.url)
    await waitForStatus(service, 'healthy')
  })

  for (const right of ['select', 'insert', 'update', 'delete'])
    test(`is not ready while its role has no right to ${right}, and logs the reason once`, async () => {
      await using role = await ownRole()
      await role.migrate()
      await role.query(grantAll(role.role))
      await using service = await start(role.url)
      await waitForStatus(service, 'healthy')
      const { id } = await service.useCases.createProduct(fieldsOf(), context)

      await role.query(`revoke ${right} on products from ${role.role}`)
      assert.equal(await service.status(), 'unhealthy')
      assert.equal(await service.status(), 'unhealthy')
      const reasons = service.lines.filter(({ level }) => Number(level) >= 50)
      assert.equal(reasons.length, 1)
      assert.match(JSON.stringify(reasons), new RegExp(`grant it ${right} on products`))
      const call = {
        select: () => service.useCases.getProduct({ id }, context),
        insert: () => service.useCases.createProduct(fieldsOf(), context),
        update: () => service.useCases.updateProduct({ id, changes: {}, expected: 'anything' }, context),
        delete: () => service.useCases.deleteProduct({ id, expected: 'anything' }, context),
      }[right]
      await assert.rejects(async () => call?.(), { code: 'unavailable' })

      await role.query(grantAll(role.role))
      assert.equal(await service.status(), 'healthy')
      await call?.()
    })

  for (const policy of ['', 'create policy reads on products for select using (true)'])
    test(`is not ready while row-level security applies, ${policy || 'without a policy'}, and never reports products as missing`, async () => {
      await using role = await ownRole()
      await role.migrate()
      await role.query(grantAll(role.role))
      await using service = await start(role.url)
      await waitForStatus(service, 'healthy')
      const { id } = await service.useCases.createProduct(fieldsOf(), context)

      await role.query(`alter table products enable row level security; ${policy}`)
      assert.equal(await service.status(), 'unhealthy')
      assert.equal(await service.status(), 'unhealthy')
      const reasons = service.lines.filter(({ level }) => Number(level) >= 50)
      assert.equal(reasons.length, 1)
      assert.match(JSON.stringify(reasons), /row-level security of products applies to the role/)
      const refused = [
        () => service.useCases.getProduct({ id }, context),
        () => service.useCases.listProducts({ sort: byId, limit: 10 }, context),
        () => service.useCases.updateProduct({ id, changes: {}, expected: 'anything' }, context),
        () => service.useCases.deleteProduct({ id, expected: 'anything' }, context),
      ]
      for (const call of refused) await assert.rejects(call, { code: 'unavailable' })

      await role.query('alter table products disable row level security')
      assert.equal(await service.status(), 'healthy')
      assert.equal((await service.useCases.getProduct({ id }, context)).id, id)
    })

  for (const [change, statement] of [
    [
      'a price that is not in whole cents',
      'alter table products alter column price type numeric(14, 3) using price + 0.005',
    ],
    ['prices as floating point', 'alter table products alter column price type double precision'],
    ['a renamed column', 'alter table products rename column stock to pieces'],
    [
      'times as strings',
      'alter table products alter column created_at drop default, alter column created_at type text',
    ],
    ['times without a zone', 'alter table products alter column created_at type timestamp'],
    ['dates in place of times', 'alter table products alter column updated_at type date'],
    [
      'names as bytes',
      'alter table products drop constraint products_name_check, alter column name type bytea using name::bytea',
    ],
  ] as const)
    test(`is not ready on a table with ${change}, and answers unavailable instead of misreading rows`, async () => {
      await using schema = await ownSchema()
      await using database = openServerDatabase(schema.url)
      await migrations.apply(database.database)
      await sql`insert into products (name, price) values ('x', 14.99)`.execute(database.database)
      await query(statement, schema.url)
      await using service = await start(schema.url)
      await eventually(20_000, async () => {
        await service.status()
        assert.ok(
          service.lines.some(({ msg, check }) => msg === 'health check failing' && check === 'postgres'),
        )
      })
      assert.equal(await service.status(), 'unhealthy')
      await assert.rejects(service.useCases.getProduct({ id: 1 }, context), { code: 'unavailable' })
    })

  test('answers unavailable for a row that the migrated table cannot hold, and names its column', async () => {
    await using schema = await ownSchema()
    await using database = openServerDatabase(schema.url)
    await migrations.apply(database.database)
    await query(
      `alter table products drop constraint products_name_check, drop constraint products_description_check,
        drop constraint products_category_check, drop constraint products_price_check, drop constraint products_stock_check,
        drop constraint products_group_id_check,
        alter column price type numeric(16, 2), alter column stock type bigint, alter column version type bigint,
        alter column id type bigint, alter column name drop not null`,
      schema.url,
    )
    await using service = await start(schema.url)
    await waitForStatus(service, 'healthy')
    const add = async () => (await service.useCases.createProduct(fieldsOf(), context)).id
    const id = await add()
    const isRefused = (column: string, damaged: number) => (error: Error & { code?: string }) =>
      error.code === 'unavailable' &&
      String(error.cause).includes(`the column ${column} of product ${damaged} cannot be read`)
    for (const [column, value] of [
      ['name', 'null'],
      ['name', "''"],
      ['name', "repeat('é', 201)"],
      ['description', "repeat('x', 5001)"],
      ['price', '-0.50'],
      ['price', '10000000000.00'],
      ['stock', '-1'],
      ['stock', '2147483648'],
      ['category', "repeat('x', 101)"],
      ['group_id', "''"],
      ['group_id', "repeat('x', 65)"],
      ['version', '0'],
      ['version', '2147483648'],
      ['created_at', "'10000-01-01Z'"],
    ] as const) {
      const damaged = await add()
      await query(`update products set ${column} = ${value} where id = ${damaged}`, schema.url)
      const change = { id: damaged, changes: { stock: 3 }, expected: 'anything' } as const
      await assert.rejects(service.useCases.getProduct({ id: damaged }, context), isRefused(column, damaged))
      await assert.rejects(service.useCases.updateProduct(change, context), isRefused(column, damaged))
      await query(`delete from products where id = ${damaged}`, schema.url)
    }
    // Control: the limits themselves can be read.
    await query(
      `update products set name = repeat('𝄞', 200), price = 9999999999.99, stock = 2147483647,
        version = 2147483647, created_at = '9999-12-31Z' where id = ${id}`,
      schema.url,
    )
    assert.equal((await service.useCases.getProduct({ id }, context)).stock, 2_147_483_647)
    for (const damaged of [0, 2_147_483_648]) {
      await query(`insert into products (id, name, price) values (${damaged}, 'x', 1)`, schema.url)
      const list = service.useCases.listProducts({ sort: byId, limit: 10 }, context)
      await assert.rejects(list, isRefused('id', damaged))
      await query(`delete from products where id = ${damaged}`, schema.url)
    }
  })

  test('stays ready with a damaged row among the first, refuses only what contains it, and names it', async () => {
    await using schema = await ownSchema()
    await using database = openServerDatabase(schema.url)
    await migrations.apply(database.database)
    await sql`insert into products (name, price) values ('damaged', 'NaN'), ('x', 14.99)`.execute(
      database.database,
    )
    await using service = await start(schema.url)
    await waitForStatus(service, 'healthy')
    assert.equal((await service.useCases.getProduct({ id: 2 }, context)).price, 14_99n)
    const causedByDamage = ({ code, cause }: { code?: string; cause?: unknown }) =>
      code === 'unavailable' && /the column price of product 1 cannot be read/.test(String(cause))
    for (const refused of [
      () => service.useCases.getProduct({ id: 1 }, context),
      () => service.useCases.listProducts({ sort: byId, limit: 10 }, context),
    ])
      await assert.rejects(refused, causedByDamage)
  })
})
