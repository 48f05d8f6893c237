import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, mkdtempDisposable, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'

const digestQuery = `select count(*)::integer as count, md5(string_agg(products::text, '' order by id)) as content from products`

it('a damaged catalog is restored from a backup to its original content', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'backup-'))
  const program = (name: string, variables: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, [join(root, `services/product/src/admin/${name}.ts`)], {
      cwd: folder,
      env: { PATH: process.env['PATH'], DATABASE_URL: database.url, ...variables },
    })
  try {
    assert.match((await program('status')).stdout, /^0001_products {2}pending$/m)
    assert.match((await program('migrate')).stdout, /0001_products/)
    assert.match((await program('status')).stdout, /^0001_products {2}applied /m)

    await program('seed', { COUNT: '500', SEED: '7' })
    const original = await query(digestQuery, database.url)
    assert.equal(original[0]?.['count'], 500)

    await program('backup')
    const files = await readdir(join(folder, 'backups'))
    const file = join('backups', files.find((name) => name.endsWith('.dump')) ?? '')
    assert.ok(files.includes(`${file.slice('backups/'.length)}.sha256`))

    await query('delete from products where id % 2 = 0', database.url)
    const damaged = await query(digestQuery, database.url)
    await assert.rejects(program('restore', { FILE: file }), /FORCE=1/)
    assert.deepEqual(await query(digestQuery, database.url), damaged)

    await writeFile(join(folder, 'junk.dump'), 'not a backup')
    await assert.rejects(program('restore', { FILE: 'junk.dump', FORCE: '1' }), /pg_restore failed/)
    assert.deepEqual(await query(digestQuery, database.url), damaged, 'a failed restore changes nothing')

    await program('restore', { FILE: file, FORCE: '1' })
    assert.deepEqual(await query(digestQuery, database.url), original)
    const replacedDatabases = await query(
      `select datname from pg_database where datname like '${database.name}_before_%'`,
    )
    assert.equal(replacedDatabases.length, 1)

    await writeFile(join(folder, file), 'changed')
    await assert.rejects(program('restore', { FILE: file, FORCE: '1' }), /damaged/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('backup and restore use TLS like the service, and a failed backup leaves no file', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using cluster = await startPostgresServer({ tls: true })
  const folder = await mkdtemp(join(tmpdir(), 'backup-'))
  const program = (name: string, variables: Record<string, string>) =>
    promisify(execFile)(process.execPath, [join(root, `services/product/src/admin/${name}.ts`)], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...variables },
    })
  const verified = {
    DB_HOST: '127.0.0.1',
    DB_PORT: String(cluster.port),
    DB_NAME: 'postgres',
    DB_SSLMODE: 'verify-full',
    DB_SSLROOTCERT: cluster.certificate,
  }
  const backups = async () =>
    (await readdir(join(folder, 'backups'))).filter((name) => !name.endsWith('.sha256'))
  try {
    await program('migrate', verified)
    await program('backup', verified)
    const [file = ''] = await backups()
    assert.match(file, /\.dump$/)
    await query('create database elsewhere', cluster.url)
    const elsewhere = { ...verified, DB_NAME: 'elsewhere', FILE: join('backups', file), FORCE: '1' }
    assert.match((await program('restore', elsewhere)).stdout, /^Restored /)

    const untrusted = `${cluster.url}?sslmode=verify-full`
    await assert.rejects(program('backup', { DATABASE_URL: untrusted }))
    assert.deepEqual(await backups(), [file])
  } finally {
    await rm(folder, { recursive: true })
  }
})

/** What the server knows of the database and of its relations apart from their content. */
const stateQuery = `
  select pg_get_userbyid(datdba) as owner, datacl::text, datcollate, pg_encoding_to_char(encoding) as encoding, datconnlimit,
    (select json_agg(json_build_array(rolname, setconfig) order by rolname)
      from pg_db_role_setting left join pg_roles r on r.oid = setrole where setdatabase = d.oid) as settings,
    (select json_agg(json_build_array(relname, pg_get_userbyid(relowner), relacl::text) order by relname)
      from pg_class where relnamespace = 'public'::regnamespace) as relations
  from pg_database d where datname = current_database()`

const setUp = [
  'create role shop_owner login',
  'create role shop login',
  'create role "The Reader"',
  `create database shop owner shop_owner template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C' connection limit 50`,
  'revoke all on database shop from public',
  'grant connect on database shop to shop, "The Reader" with grant option',
  `alter database shop set statement_timeout to '7s'`,
  `alter database shop set search_path to "$user", public`,
  `alter role "The Reader" in database shop set search_path to ''`,
  `alter role shop in database shop set "shop.note" to 'a''b=c\\d'`,
]

const grants = [
  'grant select, insert, update, delete on products, idempotency_keys to shop',
  'grant select on kysely_migration to shop',
  'grant select (id, name) on products to "The Reader"',
]

describe('a restore by an administrator', { skip: withoutPostgresPrograms }, () => {
  let server: PostgresServer
  let folder: string
  let urlOf: (role: string) => string
  const stack = new AsyncDisposableStack()
  const program = (name: string, role: string, variables: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, [join(root, `services/product/src/admin/${name}.ts`)], {
      cwd: folder,
      env: { PATH: process.env['PATH'], DATABASE_URL: urlOf(role), FORCE: '1', ...variables },
    })
  const state = () => query(stateQuery, urlOf('postgres'))
  const dumpFile = async () => {
    const files = await readdir(join(folder, 'backups'))
    return join('backups', files.find((name) => name.endsWith('.dump')) ?? '')
  }

  before(async () => {
    server = stack.use(await startPostgresServer())
    folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'backup-'))).path
    urlOf = (role) => `postgres://${role}@127.0.0.1:${server.port}/shop`
    for (const statement of setUp) await query(statement, server.url)
    await program('migrate', 'shop_owner')
    for (const statement of grants) await query(statement, urlOf('shop_owner'))
    await program('seed', 'shop_owner')
  })
  after(() => stack.disposeAsync())

  /** Uses the restored database as the service does, with its own role. */
  const assertServed = async () => {
    await using service = await startService('product', {
      DATABASE_URL: urlOf('shop'),
      MIGRATE: 'off',
      GRPC_PORT: String(await freePort()),
    })
    const { body: product } = await request('GET', `${service.url}/products/1`)
    assert.equal(product.id, 1)
    const fields = { name: 'Pen', price: 1.5, stock: 3 }
    const created = await request('POST', `${service.url}/products`, fields)
    assert.equal(created.status, 201)
    assert.equal((await request('PATCH', `${service.url}/products/1`, { stock: 5 })).status, 200)
    assert.equal((await request('DELETE', `${service.url}/products/${created.body.id}`)).status, 204)
  }

  it('keeps the owner, the grants and the settings, even if the tables were dropped', async () => {
    const original = await state()
    await program('backup', 'postgres')
    const file = await dumpFile()
    await query('drop table products', urlOf('shop_owner'))
    const { stdout } = await program('restore', 'postgres', { FILE: file })
    assert.doesNotMatch(stdout, /not checked/)
    assert.deepEqual(await state(), original)
    await assertServed()
  })

  it('takes the grants from the replaced database if the dump has none', async () => {
    const original = await state()
    const file = join(folder, 'plain.dump')
    await promisify(execFile)('pg_dump', [
      '--format=custom',
      '--no-privileges',
      `--file=${file}`,
      urlOf('postgres'),
    ])
    const { stdout } = await program('restore', 'postgres', { FILE: file })
    assert.match(stdout, /^The dump is not checked for damage, because there is no .+plain\.dump\.sha256\.$/m)
    assert.deepEqual(await state(), original)
    await assertServed()
  })

  it('fails and changes nothing if the role may not create databases', async () => {
    const original = await state()
    await assert.rejects(program('restore', 'shop_owner', { FILE: join(folder, 'plain.dump') }), {
      code: 1,
      stderr: 'The database refuses: error: permission denied to create database\n',
    })
    assert.deepEqual(await state(), original)
  })

  it('says why it failed, even if its own connection is lost before it can clean up', async () => {
    const original = await state()
    // Closes the connections of the restore, as the end of a server does, and fails.
    const script = `#!/bin/sh
psql -qc "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = 'postgres' and pid <> pg_backend_pid()" postgres
exit 1`
    await writeFile(join(folder, 'pg_restore'), script, { mode: 0o755 })
    const variables = { FILE: join(folder, 'plain.dump'), PATH: `${folder}:${process.env['PATH']}` }
    await assert.rejects(program('restore', 'postgres', variables), {
      code: 1,
      stdout: /The unfinished database shop_restored_[0-9]+_[0-9a-f]+ could not be dropped\.\n$/,
      stderr: 'pg_restore failed.\n',
    })
    assert.deepEqual(await state(), original)
  })

  it('replaces a database that accepts no connections', async () => {
    const original = await state()
    const file = await dumpFile()
    await query('alter database shop allow_connections false', server.url)
    const { stdout } = await program('restore', 'postgres', { FILE: file })
    assert.match(stdout, /^The rights in shop cannot be read, so only those of the dump are restored: /m)
    assert.deepEqual(await state(), original)
  })
})

it('without a server, every program for the database ends with one line', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'backup-'))
  await writeFile(join(folder.path, 'any.dump'), 'any')
  const port = await freePort()
  for (const name of ['migrate', 'status', 'seed', 'restore'])
    await assert.rejects(
      promisify(execFile)(process.execPath, [join(root, `services/product/src/admin/${name}.ts`)], {
        cwd: folder.path,
        env: {
          PATH: process.env['PATH'],
          DATABASE_URL: `postgres://postgres@127.0.0.1:${port}/shop`,
          FILE: 'any.dump',
          FORCE: '1',
        },
      }),
      { code: 1, stderr: `The database is unavailable: Error: connect ECONNREFUSED 127.0.0.1:${port}\n` },
    )
})
