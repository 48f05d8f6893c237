import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { callsOf, onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { assertProblem, linesIn } from '../support/http.ts'
import { openRedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'
import { redisConfigOf } from '../support/redis-config.ts'

describe('while Redis is unreachable,', { skip: withoutOwnRedis }, () => {
  test('rejected requests send no commands, even after Redis is back', async () => {
    const port = await freePort()
    let redis = startRedis(port)
    await using app = await openRedisApp({ REDIS_URL: `redis://127.0.0.1:${port}` })
    try {
      await untilHealthy(app)
      const assertRejected = async (count: number) => {
        const requests = Array.from({ length: count }, (_, index) =>
          app.basketOf(`user${index % 500}`).add(1, 1),
        )
        for (const response of await Promise.all(requests)) {
          assertProblem(response, unavailable)
          assert.match(response.json().detail, /is unavailable|is not responding/)
        }
      }
      // Health checks send the same command a few times.
      const assertFewCommands = async () => {
        const calls = await callsOf(port, 'get')
        assert.ok(calls < 100, `${calls} commands were sent`)
      }
      await onServer(port, (client) => client.configResetStat())
      redis.suspend()
      assert.match((await app.basket.get()).json().detail, /did not respond in time/)
      await assertRejected(1_000)
      redis.resume()
      await untilHealthy(app)
      await assertFewCommands()

      await redis.kill()
      await assertRejected(1_000)
      redis = startRedis(port)
      await untilHealthy(app)
      await assertFewCommands()
      assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 1]])
    } finally {
      await redis.kill()
    }
  })

  test('at most 10,000 commands wait before the outage is detected', async () => {
    const port = await freePort()
    const server = startRedis(port)
    await using redis = openRedis(redisConfigOf({ REDIS_URL: `redis://127.0.0.1:${port}` }), silentLogger)
    try {
      await eventually(20_000, redis.ping)
      server.suspend()
      const results = await Promise.allSettled(Array.from({ length: 11_000 }, () => redis.get('key')))
      assert.ok(results.every(({ status }) => status === 'rejected'))
      const reasons = results.map((result) => result.status === 'rejected' && String(result.reason))
      assert.ok(reasons.filter((reason) => /in time/.test(String(reason))).length <= 10_000)
      server.resume()
      await eventually(20_000, redis.ping)
      assert.ok((await callsOf(port, 'get')) <= 10_000)
    } finally {
      await server.kill()
    }
  })
})
