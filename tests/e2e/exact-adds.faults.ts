import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { addToBaskets, assertBaskets } from '@shop/testing/services/shoppers.ts'
import { startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

const adds = Number(process.env['TEST_ADDS'] ?? 2_000)

const startProducts = async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'adds-')))
  const environment = { LOG_LEVEL: 'warn', DATA_DIR: folder.path }
  const grpcPort = String(await freePort())
  const product = stack.use(await startService('product', { ...environment, GRPC_PORT: grpcPort }))
  const productIds: number[] = []
  for (const name of ['Pen', 'Pencil', 'Paper']) {
    const { body } = await request('POST', `${product.url}/products`, { name, price: 0.1, stock: 999_999 })
    productIds.push(body.id)
  }
  const owned = stack.move()
  return {
    environment: { ...environment, PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` },
    productIds,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

describe(`64 clients make ${adds} adds to 50 baskets through two processes of the basket service, and each is stored exactly once`, () => {
  let products: Awaited<ReturnType<typeof startProducts>>
  before(async () => {
    products = await startProducts()
  })
  after(() => products[Symbol.asyncDispose]())

  const startBasket = (environment: Readonly<Record<string, string>>) =>
    startService('basket', { ...products.environment, ...environment })

  const addAndVerifyAt = async (urls: readonly string[], prefix: string) => {
    const userIds = Array.from({ length: 50 }, (_, index) => `${prefix}user-${index}`)
    const { productIds } = products
    const added = await addToBaskets({ urls, userIds, productIds, clients: 64, adds })
    for (const url of urls) await assertBaskets(url, userIds, added)
    assert.ok(added.problems.length < adds / 100, JSON.stringify(added.problems.slice(0, 3)))
  }

  const addAndVerify = async (environment: Readonly<Record<string, string>>, prefix: string) => {
    await using first = await startBasket(environment)
    await using second = await startBasket(environment)
    await addAndVerifyAt([first.url, second.url], prefix)
  }

  it('in SQLite, which only one instance may open', async () => {
    await using basket = await startBasket({ WORKERS: '2' })
    await addAndVerifyAt([basket.url], '')
  })

  it('in Redis Cluster', { skip: withoutOwnRedis }, async () => {
    await using cluster = await startOwnCluster()
    await addAndVerify(cluster.variables, '')
  })

  it('in Redis', { skip: withoutRedis }, async () => {
    const prefix = ownPrefix()
    try {
      await addAndVerify({ REDIS_URL: redisUrl }, prefix)
    } finally {
      await removeKeys(`basket:${prefix}`)
    }
  })
})
