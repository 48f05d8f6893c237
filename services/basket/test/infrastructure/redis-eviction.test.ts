import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { checkLog, untilDegraded } from '../support/defects.ts'
import { openRedisApp, type RedisApp, untilHealthy } from '../support/redis-app.ts'

const evictedIn = async (app: RedisApp) => {
  const [, value] = /^redis_evicted_keys_total\{.*\} (\d+)$/m.exec(await app.scrape()) ?? []
  assert.ok(value)
  return Number(value)
}

describe('the eviction policy of Redis', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let port: number
  let redis: ReturnType<typeof startRedis>
  const set = (name: string, value: string) => onServer(port, (client) => client.configSet(name, value))
  before(async () => {
    port = await freePort()
    redis = startRedis(port, { 'maxmemory-policy': 'volatile-lru' })
    await eventually(20_000, () => onServer(port, (client) => client.ping()))
  })
  after(() => redis.kill())

  test('other than noeviction is logged once after connecting, without a health request, and degrades the service', async () => {
    const { logger, lines } = recordingLogger()
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${port}` }, logger)
    const failing = /^health check failing: .*maxmemory-policy is volatile-lru, not noeviction$/
    await eventually(20_000, async () => assert.match(checkLog(lines, 'redis-eviction').join('\n'), failing))
    await untilDegraded(app, 'redis-eviction', /volatile-lru/)
    await set('maxmemory-policy', 'noeviction')
    await untilHealthy(app)
    const [first = '', ...rest] = checkLog(lines, 'redis-eviction')
    assert.match(first, failing)
    assert.deepEqual(rest, ['health check passing again'])
  })

  test('shows in a metric how many keys have been evicted', async () => {
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${port}` })
    await untilHealthy(app)
    await app.basket.add(1, 1)
    await set('maxmemory-policy', 'volatile-lru')
    await set('maxmemory', '1')
    await onServer(port, (client) => client.set('another', '1')).catch(() => {})
    await eventually(20_000, async () => assert.ok((await evictedIn(app)) > 0))
    await set('maxmemory', '0')
    assert.equal((await app.basket.get()).statusCode, 404)
  })
})
