import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { dataDir as prebuiltDataDir } from '@electric-sql/pglite-prepopulatedfs'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { readConfig } from '../../src/config.ts'
import { newProduct } from '../../src/domain/product.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { changeProduct, creationOf } from '../support/store.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'product-test-'))

const open = (dataDir: string, environment: Record<string, string> = {}, logger = silentLogger) =>
  openAdapters({ config: readConfig({ STORAGE: 'embedded', DATA_DIR: dataDir, ...environment }), logger })

type Adapters = Awaited<ReturnType<typeof open>>

const listAll = async ({ ports }: Adapters) =>
  (await ports.reader.list({ sort: byId, limit: 1_000 })).products

const main = join(import.meta.dirname, '../../src/main.ts')

/**
 * Runs the service in a child process on this folder until it exits. `limit` is the size of a file that it may write, in
 * blocks.
 */
const runService = async (dataDir: string, limit = 'unlimited') => {
  const child = spawn('sh', ['-c', `ulimit -f ${limit}; exec "$@"`, 'sh', process.execPath, main], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code }
}

test('a new catalog has ten valid samples, with several categories and low stock', async () => {
  await using folder = await temporaryFolder()
  const { logger, lines } = recordingLogger()
  await using adapters = await open(folder.path, {}, logger)
  const samples = await listAll(adapters)
  assert.equal(samples.length, 10)
  for (const sample of samples) assert.deepEqual({ ...sample, ...newProduct(sample).fields }, sample)
  assert.ok(samples.some(({ stock }) => stock <= 1))
  assert.ok(new Set(samples.map(({ category }) => category)).size > 1)
  assert.match(String(lines[0]?.['msg']), /using embedded storage, which is for development only/)
})

test('products survive a restart, and samples are not added again', async () => {
  await using folder = await temporaryFolder()
  const before = await (async () => {
    await using adapters = await open(folder.path)
    const [sample] = await listAll(adapters)
    assert.ok(sample)
    const events: (readonly [type: string, productId: number])[] = []
    adapters.ports.events.subscribe(({ type, productId }) => events.push([type, productId]))
    await changeProduct(adapters.ports.products, sample.id, (product) => ({ ...product, stock: 3 }))
    const { id } = await adapters.ports.products.add(creationOf())
    assert.deepEqual(events, [
      ['product_updated', sample.id],
      ['product_created', id],
    ])
    return await listAll(adapters)
  })()
  await using adapters = await open(folder.path)
  assert.deepEqual(await listAll(adapters), before)
  assert.equal(before.length, 11)
})

test('a new catalog in production has no samples', async () => {
  await using folder = await temporaryFolder()
  await using adapters = await open(folder.path, { ENVIRONMENT: 'production' })
  assert.deepEqual(await listAll(adapters), [])
})

test('a second process on the folder exits with an error that says what to do', async () => {
  await using folder = await temporaryFolder()
  await using adapters = await open(folder.path)
  const { code, stderr } = await runService(folder.path)
  assert.equal(code, 1)
  assert.ok(stderr.includes(folder.path))
  assert.match(stderr, /is in use by another process; stop that process, or set DATA_DIR to another folder/)
  await adapters.ports.products.add(creationOf())
})

/** Starts the service on this folder, and kills it as soon as the file exists in the database's folder. */
const killWhenExists = async (dataDir: string, file: string) => {
  using child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', DATA_DIR: dataDir },
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  while (child.exitCode === null && !existsSync(join(dataDir, 'products', file))) await delay(1)
  child.kill('SIGKILL')
  await exited
}

// At first, a part of the files exists. PG_VERSION is one of the last files of the archive.
for (const [file, times] of [
  ['global', 1],
  ['PG_VERSION', 3],
] as const)
  test(`a service that is killed during the first start, when ${file} exists, starts again`, async () => {
    for (let n = 0; n < times; n++) {
      await using folder = await temporaryFolder()
      await killWhenExists(folder.path, file)
      await using adapters = await open(folder.path)
      assert.equal((await listAll(adapters)).length, 10)
    }
  })

test('a folder that is no database ends the service with one line that says what to do', async () => {
  await using folder = await temporaryFolder()
  await (await open(folder.path))[Symbol.asyncDispose]()
  await rm(join(folder.path, 'products', 'global', 'pg_control'))
  const { code, stderr } = await runService(folder.path)
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^.+products cannot be opened as a database \(.+\)\. If its data is not needed, delete it\.\n$/,
  )
})

for (const [condition, limit] of [
  ['without space', '0'],
  // The files of a new database are larger, but not that of the lock.
  ['that fills up during the first start', '2048'],
] as const)
  test(`a disk ${condition} ends the service with one line that says what to do`, async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await runService(folder.path, limit)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^.+products(\.lock)? cannot be used \(.+\)\. Free disk space or make the folder writable, or set DATA_DIR to another folder\.\n$/,
    )
  })

test('a folder that cannot be created ends the service with one line that says what to do', {
  skip:
    process.platform !== 'linux' && 'only Linux has a folder in which nothing can be created, even as root',
}, async () => {
  const { code, stderr } = await runService('/sys/shop')
  assert.equal(code, 1)
  assert.match(stderr, /^\/sys\/shop\/products\.lock cannot be used \(.+mkdir '\/sys\/shop'\)\. .+\n$/)
})

test('PGlite flushes nothing to the disk, as docs/durability.md says', async () => {
  await using folder = await temporaryFolder()
  const pglite = await PGlite.create({ dataDir: folder.path, loadDataDir: await prebuiltDataDir() })
  assert.deepEqual((await pglite.query('show fsync')).rows, [{ fsync: 'off' }])
  const { NODEFS } = pglite.Module.FS.filesystems
  assert.ok('write' in NODEFS.stream_ops && !('fsync' in NODEFS.stream_ops))
  await pglite.close()
})
