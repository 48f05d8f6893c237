import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import {
  type ProductRow,
  startBasketWrites,
  startProductWrites,
} from '@shop/testing/services/checked-writes.ts'
import { request } from '@shop/testing/services/http.ts'
import type { Answer } from '@shop/testing/services/recorded-load.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { untilHealthy } from '@shop/testing/services/shoppers.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { openPacketLoss, withoutPacketLoss } from '@shop/testing/stores/packet-loss.ts'
import { query } from '@shop/testing/stores/postgres.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'

const cutMs = 4_000
const recoveryMs = 20_000
const clients = 8

type Load = Readonly<{ answers: readonly Answer[] }>

const untilServed = ({ answers }: Load) => {
  const earlier = answers.length
  return eventually(recoveryMs, async () => {
    assert.ok(answers.length > earlier + 50)
    assert.ok(answers.slice(-50).every(({ status }) => status < 300))
  })
}

describe('while the packets of a connection are dropped, requests get 503, and no acknowledged write is lost or applied twice', {
  skip: withoutPacketLoss || withoutPostgresPrograms || withoutOwnRedis,
}, () => {
  const stack = new AsyncDisposableStack()
  let loss: Awaited<ReturnType<typeof openPacketLoss>>
  let server: PostgresServer
  let product: RunningService
  let basket: RunningService
  let productId: number
  const ports = { redis: 0, grpc: 0 }
  before(async () => {
    server = stack.use(await startPostgresServer())
    ports.redis = await freePort()
    ports.grpc = await freePort()
    const redis = startRedis(ports.redis)
    stack.defer(() => redis.kill())
    loss = stack.use(await openPacketLoss())
    product = stack.use(
      await startService('product', { DATABASE_URL: server.url, GRPC_PORT: String(ports.grpc) }),
    )
    basket = stack.use(
      await startService('basket', {
        REDIS_URL: `redis://127.0.0.1:${ports.redis}`,
        PRODUCT_SERVICE_URL: `127.0.0.1:${ports.grpc}`,
      }),
    )
    const fields = { name: 'Pen', price: 1, stock: 999_999 }
    productId = (await request('POST', `${product.url}/products`, fields)).body.id
    await untilHealthy(basket)
  })
  after(() => stack.disposeAsync())

  /** Cuts the port under load. Resolves when requests succeed again. */
  const cutUnder = async (load: Load, port: number, whileCut: () => Promise<void>) => {
    await untilServed(load)
    const from = performance.now()
    await loss.cut(port)
    await Promise.all([delay(cutMs), eventually(cutMs, whileCut)])
    await loss.restore(port)
    await untilServed(load)
    const met = load.answers.filter(({ at }) => at > from)
    assert.ok(met.some(({ status }) => status === 503))
    assert.deepEqual(
      [...new Set(met.map(({ status }) => status))].filter((status) => status >= 300),
      [503],
    )
  }
  const assertNotReady = async ({ url }: RunningService) =>
    assert.equal((await request('GET', `${url}/health/ready`)).status, 503)

  it('between the product service and PostgreSQL', async () => {
    const load = await startProductWrites(product.url, clients)
    await using _ = load
    await cutUnder(load, server.port, () => assertNotReady(product))
    await load.stop()
    load.assertStored(await query<ProductRow>('select * from products', server.url))
  })

  const startBaskets = (prefix: string) => startBasketWrites(basket.url, { clients, productId, prefix })

  it('between the basket service and Redis', async () => {
    const load = startBaskets('redis-')
    await using _ = load
    await cutUnder(load, ports.redis, () => assertNotReady(basket))
    await load.stop()
    await load.assertStored()
  })

  it('between the basket service and the product service', async () => {
    const load = startBaskets('grpc-')
    await using _ = load
    await cutUnder(load, ports.grpc, async () => {
      assert.equal((await request('GET', `${basket.url}/health`)).body.status, 'degraded')
      assert.equal((await request('GET', `${basket.url}/health/ready`)).status, 200)
    })
    await load.stop()
    await load.assertStored()
  })
})
