import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'

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
