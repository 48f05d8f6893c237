import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { ownFolder } from '../support/baskets.ts'
import { openRedisApp, untilHealthy } from '../support/redis-app.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const limit = 64 * 1024 * 1024

/** The samples of the memory metrics, keyed by metric name and server number. */
const memoryIn = (scrape: string) =>
  Object.fromEntries(
    Array.from(scrape.matchAll(/^(redis_memory_\w+)\{.*server="(\d+)".*\} (\d+)$/gm)).map(
      ([, name, server, value]) => [`${name} ${server}`, Number(value)],
    ),
  )

describe('the memory of Redis', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let redis: ReturnType<typeof startRedis>
  let variables: { REDIS_URL: string }
  let setLimit: (bytes: number) => Promise<unknown>
  before(async () => {
    const port = await freePort()
    redis = startRedis(port)
    variables = { REDIS_URL: `redis://127.0.0.1:${port}` }
    setLimit = (bytes) => onServer(port, (client) => client.configSet('maxmemory', String(bytes)))
  })
  after(() => redis.kill())

  test('is read from a single server, with 0 for no limit', async () => {
    await using store = openRedis(redisConfigOf(variables), silentLogger)
    await eventually(20_000, store.ping)
    await setLimit(0)
    const [server, ...others] = await store.memory()
    assert.deepEqual(others, [])
    assert.ok(server !== undefined && server.used > 100_000 && server.max === 0)
    await setLimit(limit)
    assert.equal((await store.memory())[0]?.max, limit)
  })

  for (const max of [0, limit])
    test(`is in the metrics of the service, with a limit of ${max}`, async () => {
      await using app = await openRedisApp(variables)
      await untilHealthy(app)
      await setLimit(max)
      // On a slow machine, the value may come too late for the first scrape; the next one has it.
      await eventually(20_000, async () => {
        const { 'redis_memory_used_bytes 1': used = 0, ...others } = memoryIn(await app.scrape())
        assert.ok(used > 100_000, `${used} bytes`)
        assert.deepEqual(others, { 'redis_memory_max_bytes 1': max })
      })
    })
})

test('with the embedded engine, no metric mentions Redis', async () => {
  await using folder = await ownFolder()
  const metrics = createMetrics('basket-service', '0')
  const config = readConfig({ DATA_DIR: folder.path })
  await using _ = await openAdapters({ config, logger: silentLogger, metrics })
  assert.doesNotMatch(await metrics.registry.metrics(), /redis/)
})
