import assert from 'node:assert/strict'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp, version } from '../../src/app.ts'
import { readConfig, service } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aProduct, longTtl } from './baskets.ts'
import { basketOf, send } from './http.ts'
import { catalogOf } from './ports.ts'

/**
 * Opens the whole service on the Redis of these variables, wired as in main.ts except for the catalog. `logger`
 * gets only what the adapters log, and `requestLogger` the rest.
 */
export const openRedisApp = async (
  variables: Readonly<Record<string, string>>,
  logger = silentLogger,
  requestLogger = silentLogger,
) => {
  const stack = new AsyncDisposableStack()
  const config = readConfig({ BASKET_TTL_SECONDS: String(longTtl), ...variables })
  const metrics = createMetrics(service, version)
  const adapters = stack.use(await openAdapters({ config, logger, metrics }))
  const catalog = { ...catalogOf(async (id) => aProduct({ id, stock: 1_000 })) }
  const ports = { ...adapters.ports, catalog }
  const dependencies = adapters.dependencies.filter(({ name }) => name !== 'product-service')
  const { shareUsage } = adapters
  // Only where a test is about it: all its requests come from one address.
  const { newBasketsPerHour } =
    variables['NEW_BASKETS_PER_HOUR'] === undefined ? { newBasketsPerHour: 0 } : config
  const { http } = stack.use(
    await createApp({ ports, dependencies, shareUsage }, requestLogger, metrics, { newBasketsPerHour }),
  )
  return {
    http,
    basket: basketOf(http, 'user123'),
    catalog,
    statistics: adapters.ports.statistics,
    basketOf: (userId: string) => basketOf(http, userId),
    health: (path = '/health') => send(http, 'GET', path),
    /** Returns the metrics in the format that Prometheus scrapes. */
    scrape: async () => (await send(http, 'GET', '/metrics')).body,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type RedisApp = Awaited<ReturnType<typeof openRedisApp>>

export const untilHealthy = ({ health }: RedisApp) =>
  eventually(20_000, async () => assert.equal((await health()).json().status, 'healthy'))

/** Asserts that the service is unhealthy and not ready, but live. */
export const assertUnhealthy = async ({ health }: RedisApp) => {
  for (const path of ['/health', '/health/ready']) {
    const response = await health(path)
    assert.equal(response.statusCode, 503)
    const { status, checks } = response.json()
    assert.deepEqual([status, checks.redis.status], ['unhealthy', 'down'])
  }
  assert.equal((await health('/health/live')).statusCode, 200)
}

export const unavailable = { status: 503, code: 'unavailable' }
