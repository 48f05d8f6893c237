import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Client, credentials } from '@grpc/grpc-js'
import { checkServing } from '@shop/platform/grpc/client.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'

const timeoutMs = 20_000

/** Scrapes a gauge. Returns its values, keyed by the label `dependency` or, without that label, by the metric's name. */
const scrapeGauge = async (url: string, name: string): Promise<Record<string, number>> => {
  const { body } = await request('GET', `${url}/metrics`)
  const lines = [...String(body).matchAll(new RegExp(`^${name}\\{(.*)\\} (\\d)$`, 'gm'))]
  return Object.fromEntries(
    lines.map(([, labels = '', value]) => [/dependency="([^"]*)"/.exec(labels)?.[1] ?? name, Number(value)]),
  )
}

/** The health of a service according to its three endpoints and its metrics. */
const healthOf = async (url: string) => {
  const { status: code, body } = await request('GET', `${url}/health`)
  const { status: ready } = await request('GET', `${url}/health/ready`)
  const { status: live } = await request('GET', `${url}/health/live`)
  const checks = Object.entries<{ status: string }>(body.checks).map(([name, { status }]) => [name, status])
  return {
    health: [code, body.status],
    checks: Object.fromEntries(checks),
    ready,
    live,
    service_ready: (await scrapeGauge(url, 'service_ready'))['service_ready'],
    dependency_up: await scrapeGauge(url, 'dependency_up'),
  }
}

const postgresChecks = <Value>(value: Value) => ({ postgres: value, 'postgres-writes': value })

const redisChecks = <Value>(value: Value) => ({
  redis: value,
  'redis-writes': value,
  'redis-eviction': value,
})

describe('health, readiness and metrics agree', { skip: withoutPostgresPrograms || withoutOwnRedis }, () => {
  const stack = new AsyncDisposableStack()
  let cluster: PostgresServer
  let redisPort: number
  let redis: ReturnType<typeof startRedis>
  let grpcPort: number
  let product: RunningService
  let basket: RunningService
  const startProduct = () =>
    startService('product', { DATABASE_URL: cluster.url, GRPC_PORT: String(grpcPort) })
  before(async () => {
    cluster = stack.use(await startPostgresServer())
    redisPort = await freePort()
    redis = startRedis(redisPort)
    stack.defer(() => redis.kill())
    grpcPort = await freePort()
    product = await startProduct()
    stack.defer(async () => void (await product.stop()))
    basket = stack.use(
      await startService('basket', {
        REDIS_HOST: '127.0.0.1',
        REDIS_PORT: String(redisPort),
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      }),
    )
  })
  after(() => stack.disposeAsync())

  const isServing = async (): Promise<boolean> => {
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    try {
      await checkServing(client, 'product.ProductService', timeoutMs)
      return true
    } catch {
      return false
    } finally {
      client.close()
    }
  }
  const assertBecomes = async (url: string, expected: object) =>
    eventually(timeoutMs, async () => assert.deepEqual(await healthOf(url), { live: 200, ...expected }))

  const healthyProduct = {
    health: [200, 'healthy'],
    checks: postgresChecks('up'),
    ready: 200,
    service_ready: 1,
    dependency_up: postgresChecks(1),
  }
  const healthyBasket = {
    health: [200, 'healthy'],
    checks: { ...redisChecks('up'), 'product-service': 'up' },
    ready: 200,
    service_ready: 1,
    dependency_up: { ...redisChecks(1), 'product-service': 1 },
  }
  const degradedBasket = {
    health: [200, 'degraded'],
    checks: { ...redisChecks('up'), 'product-service': 'down' },
    ready: 200,
    service_ready: 1,
    dependency_up: { ...redisChecks(1), 'product-service': 0 },
  }

  it('in both services while PostgreSQL is stopped and after it restarts', async () => {
    await assertBecomes(product.url, healthyProduct)
    await assertBecomes(basket.url, healthyBasket)
    assert.equal(await isServing(), true)
    await cluster.stop()
    await assertBecomes(product.url, {
      health: [503, 'unhealthy'],
      checks: postgresChecks('down'),
      ready: 503,
      service_ready: 0,
      dependency_up: postgresChecks(0),
    })
    await eventually(timeoutMs, async () => assert.equal(await isServing(), false))
    await assertBecomes(basket.url, degradedBasket)
    await cluster.start()
    await assertBecomes(product.url, healthyProduct)
    await eventually(timeoutMs, async () => assert.equal(await isServing(), true))
    await assertBecomes(basket.url, healthyBasket)
  })

  it('in the basket service while the product service is stopped and after it restarts', async () => {
    await product.stop()
    await assertBecomes(basket.url, degradedBasket)
    product = await startProduct()
    await assertBecomes(basket.url, healthyBasket)
  })

  it('in the basket service while Redis is stopped and after it restarts', async () => {
    await redis.kill()
    await assertBecomes(basket.url, {
      health: [503, 'unhealthy'],
      checks: { ...redisChecks('down'), 'product-service': 'up' },
      ready: 503,
      service_ready: 0,
      dependency_up: { ...redisChecks(0), 'product-service': 1 },
    })
    redis = startRedis(redisPort)
    await assertBecomes(basket.url, healthyBasket)
  })
})
