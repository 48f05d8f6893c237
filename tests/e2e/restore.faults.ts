import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtempDisposable,
  readdir,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { query } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'
import { postgresUser } from '@shop/testing/stores/postgres-user.ts'

const exec = promisify(execFile)

const digestQuery = `select count(*)::integer as count, md5(string_agg(products::text, '' order by id)) as content from products`

/** Runs the real pg_restore after `commands`, which get the name of the new database as `$restored`. */
const pgRestoreAfter = (commands: string): string => `#!/bin/sh
restored=$(printf '%s\\n' "$@" | sed -n "s/^--dbname=dbname='\\(.*\\)'$/\\1/p")
${commands}
PATH=\${PATH#*:} exec pg_restore "$@"`

describe('a restore', { skip: withoutPostgresPrograms }, () => {
  let server: PostgresServer
  let folder: string
  const stack = new AsyncDisposableStack()
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${encodeURI(name)}` }).href
  const variablesOf = (name: string) => ({
    PATH: process.env['PATH'],
    DB_HOST: '127.0.0.1',
    DB_PORT: String(server.port),
    DB_USER: 'postgres',
    DB_NAME: name,
    FORCE: '1',
  })
  const program = (action: string, name: string, variables: Record<string, string> = {}, options = {}) =>
    exec(process.execPath, [join(root, `services/product/src/admin/${action}.ts`)], {
      cwd: folder,
      env: { ...variablesOf(name), ...variables },
      ...options,
    })
  const databases = async () =>
    (await query('select datname from pg_database order by datname', server.url)).map(({ datname }) =>
      String(datname),
    )
  const contentOf = (name: string) => query(digestQuery, urlOf(name))
  const create = (name: string) =>
    query(`create database "${name.replaceAll('"', '""')}" template sample`, server.url)
  const backup = async (name: string) => {
    const { stdout } = await program('backup', name)
    return /^Wrote (.+) and its checksum\./.exec(stdout)?.[1] ?? ''
  }
  /** Makes the programs run `commands` before pg_restore. */
  const beforePgRestore = async (commands: string) => {
    const bin = await mkdtempDisposable(join(tmpdir(), 'bin-'))
    stack.use(bin)
    await writeFile(join(bin.path, 'pg_restore'), pgRestoreAfter(commands), { mode: 0o755 })
    return { PATH: `${bin.path}:${process.env['PATH']}` }
  }

  before(async () => {
    server = stack.use(await startPostgresServer())
    folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'restore-'))).path
    for (const path of [
      'Makefile',
      'bench',
      'node_modules',
      'package.json',
      'package-lock.json',
      'packages',
      'scripts',
      'tests',
    ])
      await symlink(join(root, path), join(folder, path))
    await symlink(join(root, 'services'), join(folder, 'services'))
    await query('create database sample', server.url)
    await program('seed', 'sample')
    await create('shop')
  })
  after(() => stack.disposeAsync())

  for (const name of [
    'x'.repeat(63),
    // 63 bytes in 34 characters.
    'магазин_товаров_основной_базы_дан1',
  ])
    it(`keeps the replaced database ${name} under the name that it prints`, async () => {
      await create(name)
      const original = await contentOf(name)
      const file = await backup(name)
      await query('delete from products where id = 1', urlOf(name))
      const replaced = await contentOf(name)
      const { stdout } = await program('restore', name, { FILE: file })
      assert.deepEqual(await contentOf(name), original)
      const kept = /^The previous database is kept as (.+); drop it /m.exec(stdout)?.[1] ?? ''
      assert.match(kept, /_before_/)
      assert.ok((await databases()).includes(kept), kept)
      assert.deepEqual(await contentOf(kept), replaced)
      const left = (await databases()).filter((other) => other.includes('_restored_'))
      assert.deepEqual(left, [])
    })

  it('refuses a name that PostgreSQL would cut off, and leaves the database with the shorter name alone', async () => {
    const [short, long] = ['w'.repeat(63), 'w'.repeat(64)]
    await create(short)
    const file = await backup(short)
    const original = await databases()
    for (const [action, variables] of [
      ['restore', { FILE: file }],
      ['backup', {}],
    ] as const)
      await assert.rejects(program(action, long, variables), {
        code: 1,
        stderr: `The database name ${long} has more than 63 bytes, and PostgreSQL cuts it off: set the name that PostgreSQL shows.\n`,
      })
    assert.deepEqual(await databases(), original)
  })

  it('refuses to replace the database that it is controlled from', async () => {
    const file = await backup('shop')
    await assert.rejects(program('restore', 'postgres', { FILE: file }), {
      code: 1,
      stderr: 'The database postgres cannot be replaced, because a restore is controlled from it.\n',
    })
  })

  it('refuses a second restore of the same database while it runs', async () => {
    const file = await backup('shop')
    const original = await contentOf('shop')
    const go = join(folder, 'go')
    const slow = await beforePgRestore(`touch '${go}.started'; until [ -e '${go}' ]; do sleep 0.05; done`)
    const first = program('restore', 'shop', { FILE: file, ...slow })
    try {
      while (!(await readdir(folder)).includes('go.started')) await delay(20)
      await assert.rejects(program('restore', 'shop', { FILE: file }), {
        code: 1,
        stderr: 'Another restore of shop is running.\n',
      })
    } finally {
      await writeFile(go, '')
    }
    assert.match((await first).stdout, /^Restored /)
    assert.deepEqual(await contentOf('shop'), original)
  })

  it('of two databases whose names begin alike does not disturb the other', async () => {
    const names = ['a', 'b'].map((end) => `${'v'.repeat(62)}${end}`)
    const files: string[] = []
    for (const name of names) {
      await create(name)
      files.push(await backup(name))
    }
    const originals = await Promise.all(names.map(contentOf))
    await Promise.all(names.map((name, index) => program('restore', name, { FILE: files[index] ?? '' })))
    assert.deepEqual(await Promise.all(names.map(contentOf)), originals)
  })

  it('fails and changes nothing if another database has the name for the replaced one', async () => {
    const file = await backup('shop')
    const [original, names] = [await contentOf('shop'), await databases()]
    const taking = await beforePgRestore(
      `psql -qc "create database $(echo $restored | sed s/_restored_/_before_/)" postgres || exit 1`,
    )
    await assert.rejects(program('restore', 'shop', { FILE: file, ...taking }), {
      code: 1,
      stderr:
        /^Nothing was changed, because a name is taken: error: database "shop_before_\w+" already exists\n$/,
    })
    const added = (await databases()).filter((name) => !names.includes(name))
    assert.equal(added.length, 1)
    assert.match(added[0] ?? '', /^shop_before_/)
    assert.deepEqual(await contentOf('shop'), original)
  })

  for (const name of ['dbname=postgres', '-a/b', `it's "quoted" \\ $HOME;`, 'Läden 店 🛒'])
    it(`works for the database ${name} with the command that the backup prints`, async () => {
      await create(name)
      const original = await contentOf(name)
      const env = variablesOf(name)
      const { stdout } = await exec('make', ['db-backup'], { cwd: folder, env })
      const command = /Restore it with: (.+)\n$/.exec(stdout)?.[1] ?? ''
      assert.match(command, /^make db-restore FILE=/)
      await query('delete from products where id < 5', urlOf(name))
      const restored = await exec('sh', ['-c', command], { cwd: folder, env })
      assert.doesNotMatch(restored.stdout, /not checked/)
      assert.deepEqual(await contentOf(name), original)
    })

  it('takes a file whose name has spaces', async () => {
    await mkdir(join(folder, 'old backups'), { recursive: true })
    const file = 'old backups/--my shop.dump'
    await copyFile(join(folder, await backup('shop')), join(folder, file))
    const { stdout } = await exec('make', ['db-restore', `FILE=${file}`], {
      cwd: folder,
      env: variablesOf('shop'),
    })
    assert.match(stdout, /^Restored old backups\/--my shop\.dump as shop\.$/m)
    await copyFile(join(folder, file), join(folder, '--clean'))
    assert.match(
      (await program('restore', 'shop', { FILE: '--clean' })).stdout,
      /^Restored --clean as shop\.$/m,
    )
  })

  it('refuses a file that is missing, empty, unreadable or none with one line', async () => {
    const original = await databases()
    const refuse = (FILE: string, stderr: string | RegExp, options = {}) =>
      assert.rejects(program('restore', 'shop', { FILE }, options), { code: 1, stdout: '', stderr })
    await mkdir(join(folder, 'some'))
    await writeFile(join(folder, 'some.sha256'), 'x')
    await refuse('some', 'some is not a file.\n')
    await refuse('missing.dump', 'missing.dump does not exist.\n')
    await refuse('', /^FILE is not set\. .+\n$/)
    await writeFile(join(folder, 'empty.dump'), '')
    await refuse('empty.dump', 'empty.dump is empty.\n')
    await refuse('empty.dump/x', /^empty\.dump\/x cannot be read: Error: ENOTDIR: .+\n$/)
    await writeFile(join(folder, 'good.dump'), 'x')
    await mkdir(join(folder, 'good.dump.sha256'))
    await refuse('good.dump', /^good\.dump\.sha256 cannot be read: Error: EISDIR: .+\n$/)

    const secret = join(folder, 'secret.dump')
    await writeFile(secret, 'x')
    await chmod(folder, 0o755)
    // Root may read every file, so the program runs as another user there.
    if (process.getuid?.() === 0) await chown(secret, 0, 0)
    await chmod(secret, process.getuid?.() === 0 ? 0o600 : 0)
    await refuse('secret.dump', /^secret\.dump cannot be read: Error: EACCES: .+\n$/, postgresUser())
    assert.deepEqual(await databases(), original)
  })
})

describe('the ids of products after a restore', { skip: withoutPostgresPrograms }, () => {
  let server: PostgresServer
  const stack = new AsyncDisposableStack()
  const fields = { name: 'Pen', price: 1.5, stock: 3 }
  let folder: string
  let file: string
  let number = 0

  const programOn =
    (url: string) =>
    async (action: string, variables: Record<string, string> = {}) =>
      exec(process.execPath, [join(root, `services/product/src/admin/${action}.ts`)], {
        cwd: folder,
        env: { PATH: process.env['PATH'], DATABASE_URL: url, FORCE: '1', ...variables },
      })
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href

  /** Creates a database with ten products, of which there is a backup. */
  const open = async () => {
    const name = `shop${number++}`
    await query(`create database ${name} template sample`, server.url)
    const url = urlOf(name)
    const restore = async () => (await programOn(url)('restore', { FILE: file })).stdout
    const nextId = async () =>
      (await query(`insert into products (name, price) values ('x', 1) returning id`, url))[0]?.['id']
    return { name, url, restore, nextId }
  }

  before(async () => {
    server = stack.use(await startPostgresServer())
    folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'restore-'))).path
    await query('create database sample', server.url)
    const program = programOn(urlOf('sample'))
    await program('seed')
    file = /^Wrote (.+) and its checksum\./.exec((await program('backup')).stdout)?.[1] ?? ''
  })
  after(() => stack.disposeAsync())

  it('are not those that were assigned since the backup, even while a service creates products', async () => {
    const { url, restore } = await open()
    await using service = await startService('product', {
      DATABASE_URL: url,
      GRPC_PORT: String(await freePort()),
    })
    const created: { id: number; etag: string | null }[] = []
    const createOne = async () => {
      const { status, body, headers } = await request('POST', `${service.url}/products`, fields)
      if (status === 201) created.push({ id: body.id, etag: headers.get('etag') })
      else assert.equal(status, 503)
    }
    const stop = new AbortController()
    const clients = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) await createOne()
    })
    await createOne()
    const lost = created[0]
    assert.equal(lost?.etag, '"1"')
    let output: string
    try {
      output = await restore()
    } finally {
      stop.abort()
      await Promise.all(clients)
    }
    const count = created.length
    while (created.length < count + 3) await createOne()
    assert.match(output, /^The sequence of the product ids is advanced from 10 to \d+, /m)
    assert.equal(new Set(created.map(({ id }) => id)).size, created.length)
    const stale = await request(
      'PATCH',
      `${service.url}/products/${lost?.id}`,
      { stock: 9 },
      { 'if-match': '"1"' },
    )
    assert.equal(stale.status, 404)
  })

  it('include those that an import has set', async () => {
    const { url, restore, nextId } = await open()
    await query(`insert into products (id, name, price) values (5000, 'x', 1)`, url)
    assert.match(await restore(), /is advanced from 10 to 5000, /)
    assert.equal(await nextId(), 5001)
  })

  it('are not mentioned if none was assigned since the backup, and none is lost', async () => {
    const { restore, nextId } = await open()
    assert.doesNotMatch(await restore(), /ids/)
    assert.equal(await nextId(), 11)
  })

  it('may be assigned again if the replaced database cannot tell them, which the output says', async () => {
    const { url, restore, nextId } = await open()
    await nextId()
    await query('drop table products', url)
    assert.match(
      await restore(),
      /^Product ids that were assigned after the dump may be assigned again: error: relation "products" does not exist$/m,
    )
    assert.equal(await nextId(), 11)
  })

  it('may be assigned again if the replaced database accepts no connections, which the output says', async () => {
    const { name, restore, nextId } = await open()
    await query(`alter database ${name} allow_connections false`, server.url)
    assert.match(
      await restore(),
      /^Product ids that were assigned after the dump may be assigned again: error: database "\w+" is not currently accepting connections$/m,
    )
    assert.equal(await nextId(), 11)
  })
})
