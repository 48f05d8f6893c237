import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

type Environment = Readonly<Record<string, string>>

const bundled = { bundled: true }

/** Uses everything that finds its files, or is loaded, in another way than from the sources. */
const exercise = async (environment: Environment, user: string): Promise<void> => {
  const grpcPort = String(await freePort())
  // Nobody listens there: the SDK is loaded, and its exports fail.
  const traced = {
    ...environment,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  }
  await using product = await startService('product', { ...traced, GRPC_PORT: grpcPort }, bundled)
  const called = { PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }
  await using basket = await startService('basket', { ...traced, ...called }, bundled)

  const novel = { name: 'Emma', price: 14.99, stock: 5 }
  const created = await request('POST', `${product.url}/products`, novel)
  assert.equal(created.status, 201)
  const item = { product_id: created.body.id, quantity: 2 }
  const added = await request('POST', `${basket.url}/baskets/${user}/items`, item)
  assert.deepEqual([added.status, added.body.total], [200, 29.98])

  for (const [name, { url }] of Object.entries({ product, basket })) {
    const documents = await Promise.all([1, 2].map(async () => (await fetch(`${url}/openapi.json`)).json()))
    const committed = JSON.parse(await readFile(join(root, `api/openapi/${name}.json`), 'utf8'))
    assert.deepEqual(documents, [committed, committed])
    for (const path of ['/docs', '/docs/yaml', '/docs/static/page.js', '/docs/static/swagger-ui.css'])
      assert.equal((await fetch(url + path)).status, 200, path)
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^http_server_request_duration_seconds_count/m)
  }
  assert.deepEqual([await basket.stop(), await product.stop()], [0, 0], product.output() + basket.output())
}

describe('the bundles that the images run', () => {
  before(async () => {
    const script = join(root, 'scripts/bundle/bundle.ts')
    await promisify(execFile)(process.execPath, [script, 'product', 'basket'], { cwd: root })
  })

  it('work with PostgreSQL and Redis', { skip: withoutPostgres || withoutRedis }, async () => {
    const user = `${ownPrefix()}ann`
    await using schema = await ownSchema()
    try {
      await exercise({ DATABASE_URL: schema.url, REDIS_URL: redisUrl, SHUTDOWN_DELAY_SECONDS: '0' }, user)
    } finally {
      await removeKeys(`basket:${user}`)
    }
  })

  it('work with the embedded databases', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'))
    try {
      await exercise({ DATA_DIR: folder, LOG_FORMAT: 'text', LOG_OUTPUT: 'both', LOG_DIR: folder }, 'ann')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('serve with several processes', { skip: withoutRedis }, async () => {
    const environment = { REDIS_URL: redisUrl, WORKERS: '2', SHUTDOWN_DELAY_SECONDS: '0' }
    await using basket = await startService('basket', environment, bundled)
    assert.equal((await fetch(`${basket.url}/metrics`)).status, 200)
    assert.equal(await basket.stop(), 0, basket.output())
  })
})
