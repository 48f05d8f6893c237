import assert from 'node:assert/strict'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLogger } from '../../../tests/support/logger.ts'
import { createApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { openAdapters } from '../src/infrastructure/adapters.ts'
import { basketOf, send } from './http.ts'
import { aProduct, longTtl } from './support.ts'

/** The whole service on the Redis that the variables name, as main.ts puts it together, but for the catalogue. */
export const openRedisApp = async (variables: Readonly<Record<string, string>>, logger = silentLogger) => {
  const stack = new AsyncDisposableStack()
  const config = readConfig({ BASKET_TTL_SECONDS: String(longTtl), ...variables })
  const adapters = stack.use(await openAdapters(config, logger))
  const ports = { ...adapters.ports, catalog: { find: async (id: number) => aProduct({ id, stock: 1_000 }) } }
  const dependencies = adapters.dependencies.filter(({ name }) => name !== 'product-service')
  const { http } = stack.use(await createApp({ ports, dependencies }, silentLogger))
  return {
    http,
    basket: basketOf(http, 'user123'),
    figures: adapters.ports.figures,
    basketOf: (userId: string) => basketOf(http, userId),
    health: (path = '/health') => send(http, 'GET', path),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type RedisApp = Awaited<ReturnType<typeof openRedisApp>>

export const untilHealthy = ({ health }: RedisApp) =>
  eventually(20_000, async () => assert.equal((await health()).json().status, 'healthy'))

/** The service says that it cannot serve, and that it lives. */
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
