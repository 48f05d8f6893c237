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

/** Sends all operations concurrently. Asserts that each is unavailable, with a matching detail. */
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
      const response = await operation()
      assertProblem(response, unavailable)
      assert.match(response.json().detail, detail)
    }),
  )
}

/** The details when Redis hangs: the first commands time out after 0.5 s, and later ones are then refused. */
const whileHung = /did not respond in time|is not responding/
/** The details of operations that send no command, because Redis is known to be unreachable. */
const atOnce = /is unavailable|is not responding/

describe('a Redis outage', { skip: withoutOwnRedis, concurrency: true }, () => {
  describe('of a server', { concurrency: 1 }, () => {
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

    test('that stops makes every operation unavailable and the service unhealthy until it restarts', async () => {
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

    test('that hangs makes every operation unavailable and the service unhealthy until it resumes', async () => {
      const other = app.basketOf('other')
      for (const basket of [app.basket, other]) await basket.add(1, 1)
      redis.suspend()
      await assertUnavailable({ ...app, basket: other }, whileHung)
      await assertUnavailable(app, atOnce)
      await assertUnhealthy(app)
      redis.resume()
      await untilHealthy(app)
      assert.deepEqual(
        linesIn(await app.basket.get()),
        [[1, 1]],
        'what is refused at once has no effect later',
      )
      assert.deepEqual(linesIn(await app.basket.add(1, 1)), [[1, 2]])
    })

    test('that hangs may make a write take effect after it was answered, but only once', async () => {
      const basket = app.basketOf('hung')
      await basket.add(1, 1)
      redis.suspend()
      const [hung, joined] = await Promise.all([basket.add(1, 1), basket.add(1, 1)])
      for (const response of [hung, joined]) assertProblem(response, unavailable)
      redis.resume()
      await untilHealthy(app)
      const [[, quantity = 0] = []] = linesIn(await basket.get())
      assert.ok(quantity >= 1 && quantity <= 3)
      assert.deepEqual(linesIn(await basket.add(1, 1)), [[1, quantity + 1]])
    })

    test('that is down when the service starts does not stop the service, which works as soon as Redis is up', async () => {
      await redis.kill()
      await using early = await openApp(port)
      await assertUnavailable(early, atOnce)
      await assertUnhealthy(early)
      redis = startRedis(port)
      await untilHealthy(early)
      assert.deepEqual(linesIn(await early.basket.add(1, 1)), [[1, 1]])
    })
  })

  test('of a silent connection ends when a new connection replaces it, even if requests keep arriving', async () => {
    const port = await freePort()
    const redis = startRedis(port)
    try {
      using proxy = await startProxy(port)
      await using app = await openApp(proxy.port)
      await untilHealthy(app)
      await app.basket.add(1, 1)
      proxy.freezeConnections()
      await assertUnavailable(app, whileHung)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]])
    } finally {
      await redis.kill()
    }
  })
})
