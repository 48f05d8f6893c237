import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { freePort } from '@shop/testing/services/services.ts'
import { startProxy, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { assertProblem, linesIn } from '../support/http.ts'
import {
  assertUnhealthy,
  openRedisApp,
  type RedisApp,
  unavailable,
  untilHealthy,
} from '../support/redis-app.ts'

const openApp = (port: number) => openRedisApp({ REDIS_URL: `redis://127.0.0.1:${port}` })

/** Every operation is refused, all of them at the same time; the problems say why. */
const assertUnavailable = async ({ basket }: RedisApp, detail: RegExp) => {
  const operations = [
    basket.get,
    basket.create,
    () => basket.add(1, 1),
    () => basket.set(1, 2),
    () => basket.set(1, 0),
    () => basket.remove(1),
    basket.clear,
    basket.delete,
  ]
  await Promise.all(
    operations.map(async (operation) => {
      const answer = await operation()
      assertProblem(answer, unavailable)
      assert.match(answer.json().detail, detail)
    }),
  )
}

/** After the deadline of a command, half a second. */
const inTime = /did not respond in time|is not responding/
/** Without a command: nobody waits for what is known to be of no use. */
const atOnce = /is unavailable|is not responding/

describe('an outage of Redis', { skip: withoutOwnRedis, concurrency: true }, () => {
  describe('when Redis', { concurrency: 1 }, () => {
    let port: number
    let redis: ReturnType<typeof startRedis>
    let app: RedisApp
    before(async () => {
      port = await freePort()
      redis = startRedis(port)
      app = await openApp(port)
      await untilHealthy(app)
    })
    after(async () => {
      await app[Symbol.asyncDispose]()
      await redis.kill()
    })

    test('is gone, every operation is unavailable and the service unhealthy, until it is back', async () => {
      await app.basket.add(1, 1)
      await redis.kill()
      await assertUnavailable(app, atOnce)
      await assertUnhealthy(app)
      redis = startRedis(port)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.add(2, 3)), [[2, 3]])
      assert.deepEqual(linesIn(await app.basket.get()), [[2, 3]])
      await app.basket.delete()
    })

    test('hangs, every operation is unavailable and the service unhealthy, until it goes on', async () => {
      await app.basket.add(1, 1)
      redis.suspend()
      await assertUnavailable(app, inTime)
      await assertUnavailable(app, atOnce)
      await assertUnhealthy(app)
      redis.resume()
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]], 'what was refused has no effect later')
      assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 2]])
    })

    test('is not there yet when the service starts, the service runs, and works once it is', async () => {
      await redis.kill()
      await using early = await openApp(port)
      await assertUnavailable(early, atOnce)
      await assertUnhealthy(early)
      redis = startRedis(port)
      await untilHealthy(early)
      assert.deepEqual(linesIn(await early.basket.add(1, 1)), [[1, 1]])
    })
  })

  test('that swallows what a connection sends is overcome by another, however many requests come', async () => {
    const port = await freePort()
    const redis = startRedis(port)
    try {
      using proxy = await startProxy(port)
      await using app = await openApp(proxy.port)
      await untilHealthy(app)
      await app.basket.add(1, 1)
      proxy.freezeConnections()
      await assertUnavailable(app, inTime)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]])
    } finally {
      await redis.kill()
    }
  })
})
