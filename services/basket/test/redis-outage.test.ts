import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLogger } from '../../../tests/support/logger.ts'
import { freePort } from '../../../tests/support/services.ts'
import { createApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { openAdapters } from '../src/infrastructure/adapters.ts'
import { assertProblem, basketOf, linesIn, send } from './http.ts'
import { startRedis, startWay, withoutOwnRedis } from './own-redis.ts'
import { aProduct, longTtl } from './support.ts'

/** The whole service on the Redis of that port, as main.ts puts it together, but for the catalogue. */
const openApp = async (port: number) => {
  const stack = new AsyncDisposableStack()
  const config = readConfig({
    REDIS_URL: `redis://127.0.0.1:${port}`,
    BASKET_TTL_SECONDS: String(longTtl),
  })
  const adapters = stack.use(await openAdapters(config, silentLogger))
  const ports = { ...adapters.ports, catalog: { find: async (id: number) => aProduct({ id, stock: 1_000 }) } }
  const dependencies = adapters.dependencies.filter(({ hard }) => hard)
  const { http } = stack.use(await createApp({ ports, dependencies }, silentLogger))
  return {
    http,
    basket: basketOf(http, 'user123'),
    health: (path = '/health') => send(http, 'GET', path),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

type App = Awaited<ReturnType<typeof openApp>>

const unavailable = { status: 503, code: 'unavailable' }

/** Every operation is refused, all of them at the same time; the problems say why. */
const assertUnavailable = async ({ basket }: App, detail: RegExp) => {
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
const inTime = /did not answer in time|does not answer/
/** Without a command: nobody waits for what is known to be of no use. */
const atOnce = /cannot answer right now|does not answer/

/** The service says that it cannot serve, and that it lives. */
const assertUnhealthy = async ({ health }: App) => {
  for (const path of ['/health', '/health/ready']) {
    const response = await health(path)
    assert.equal(response.statusCode, 503)
    const { status, checks } = response.json()
    assert.deepEqual([status, checks.redis.status], ['unhealthy', 'down'])
  }
  assert.equal((await health('/health/live')).statusCode, 200)
}

const untilHealthy = ({ health }: App) =>
  eventually(20_000, async () => assert.equal((await health()).statusCode, 200))

describe('an outage of Redis', { skip: withoutOwnRedis, concurrency: true }, () => {
  describe('when Redis', { concurrency: 1 }, () => {
    let port: number
    let redis: ReturnType<typeof startRedis>
    let app: App
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
      redis.hang()
      await assertUnavailable(app, inTime)
      await assertUnavailable(app, atOnce)
      await assertUnhealthy(app)
      redis.goOn()
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
      using way = await startWay(port)
      await using app = await openApp(way.port)
      await untilHealthy(app)
      await app.basket.add(1, 1)
      way.swallow()
      await assertUnavailable(app, inTime)
      await untilHealthy(app)
      assert.deepEqual(linesIn(await app.basket.get()), [[1, 1]])
    } finally {
      await redis.kill()
    }
  })
})
