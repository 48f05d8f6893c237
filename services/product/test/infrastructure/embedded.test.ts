import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { dataDir as prebuiltDataDir } from '@electric-sql/pglite-prepopulatedfs'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { newProduct } from '../../src/domain/product.ts'
import { listAll, open, runService, temporaryFolder } from '../support/embedded.ts'
import { changeProduct, creationOf } from '../support/store.ts'

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
  await using adapters = await open(folder.path, { ENVIRONMENT: 'production', AUTH: 'off' })
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
