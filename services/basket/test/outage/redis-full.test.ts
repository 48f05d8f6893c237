import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { aProduct } from '../support/baskets.ts'
import { checkLog, untilDegraded } from '../support/defects.ts'
import { assertProblem, basketIn, linesIn } from '../support/http.ts'
import { openRedisApp, type RedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'
import { redisConfigOf } from '../support/redis-config.ts'

/** Sends a command without the service. */
const send = (port: number, ...command: string[]) => onServer(port, (client) => client.sendCommand(command))

describe('while Redis has reached maxmemory,', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let port: number
  let redis: ReturnType<typeof startRedis>
  let app: RedisApp
  const service = recordingLogger()
  const requests = recordingLogger()
  const setLimit = (bytes: number) => send(port, 'CONFIG', 'SET', 'maxmemory', String(bytes))
  before(async () => {
    port = await freePort()
    redis = startRedis(port)
    const variables = { REDIS_URL: `redis://127.0.0.1:${port}` }
    app = await openRedisApp(variables, service.logger, requests.logger)
    await untilHealthy(app)
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
    await redis.kill()
  })

  /** Returns a basket with ten of each product. */
  const filled = async (userId: string, ...productIds: number[]) => {
    const basket = app.basketOf(userId)
    for (const id of productIds) assert.equal((await basket.add(id, 10)).statusCode, 200)
    return basket
  }

  test('baskets can be read, emptied and deleted, and nothing can be added', async () => {
    const basket = await filled('ann', 1, 2, 3)
    const other = await filled('bob', 1)
    await setLimit(1)
    // As after a restart: the script must be loaded while Redis is full.
    await send(port, 'SCRIPT', 'FLUSH')
    assertProblem(await basket.add(4, 1), unavailable)
    assertProblem(await app.basketOf('cid').create(), unavailable)
    assertProblem(await app.basketOf('cid').add(1, 1), unavailable)

    const all = [1, 2, 3].map((id) => [id, 10])
    assert.deepEqual(linesIn(await basket.get()), all)
    assert.deepEqual(linesIn(await basket.set(1, 9)), [[1, 9], ...all.slice(1)])
    assert.deepEqual(linesIn(await basket.remove(1)), all.slice(1))
    assert.deepEqual(linesIn(await basket.set(2, 0)), all.slice(2))
    const cleared = basketIn(await basket.clear())
    assert.deepEqual([cleared.items, cleared.version], [[], 7])
    assert.deepEqual(basketIn(await basket.get()), cleared)
    assert.equal((await other.delete()).statusCode, 204)
    assertProblem(await other.get(), { status: 404, code: 'not_found' })
    await setLimit(0)
    assert.deepEqual(linesIn(await basket.add(4, 1)), [[4, 1]])
  })

  test('a lower quantity is stored although the version gets another digit, and an added product is not', async () => {
    const basket = await filled('dan', 1)
    for (let version = 2; version <= 9; version++) await basket.set(1, 9)
    await setLimit(1)
    const lowered = await basket.set(1, 8)
    assert.deepEqual([basketIn(lowered).version, linesIn(lowered)], [10, [[1, 8]]])
    assertProblem(await basket.add(2, 1), unavailable)
    await setLimit(0)
  })

  test('writes with an idempotency key take effect as those without, once', async () => {
    const basket = await filled('gil', 1, 2)
    const keyed = (key: string) => ({ 'idempotency-key': key })
    await setLimit(1)
    for (const replayed of [undefined, 'true']) {
      const lowered = await basket.set(1, 9, keyed('set'))
      assert.deepEqual(linesIn(lowered).at(0), [1, 9])
      assert.equal(lowered.headers['idempotent-replayed'], replayed)
    }
    for (const key of ['one', 'two', 'three']) await basket.set(1, 8, keyed(key))
    assert.deepEqual(linesIn(await basket.get()).at(0), [1, 8])
    // Of the shortest product.
    const { find } = app.catalog
    app.catalog.find = async () => aProduct({ id: 3, name: 'x', price: 0n, category: '' })
    assertProblem(await basket.add(3, 1), unavailable)
    assertProblem(await basket.add(3, 1, keyed('add')), unavailable)
    app.catalog.find = find
    assert.deepEqual(linesIn(await basket.remove(1, keyed('remove'))), [[2, 10]])
    assert.deepEqual(linesIn(await basket.clear(keyed('clear'))), [])
    await setLimit(0)
  })

  test('a value is written again, and keeps the time that is left', async () => {
    await using store = openRedis(
      redisConfigOf({ REDIS_URL: `redis://127.0.0.1:${port}` }),
      recordingLogger().logger,
    )
    await eventually(20_000, store.ping)
    await store.compareAndSet('basket:hal', null, 'value', 100)
    await setLimit(1)
    const written = await store.compareAndSet('basket:hal', 'value', 'value', 50)
    assert.deepEqual(written, { done: true, found: null })
    const left = Number(await send(port, 'TTL', 'basket:hal'))
    assert.ok(left > 40 && left <= 50, String(left))
    await setLimit(0)
  })

  test('a basket that is written lives as long as after any other write', async () => {
    const basket = await filled('eve', 1, 2)
    await setLimit(1)
    await send(port, 'EXPIRE', 'basket:eve', '10')
    await basket.remove(1)
    assert.ok(Number(await send(port, 'TTL', 'basket:eve')) > 3_500)
    await setLimit(0)
  })

  test('the service is ready and degraded, and logs once that Redis refuses writes, and the reason of each refusal', async () => {
    await setLimit(1)
    await untilDegraded(app, 'redis-writes', /OOM.*maxmemory/)
    requests.lines.length = 0
    assertProblem(await app.basketOf('fay').create(), unavailable)
    assert.match(JSON.stringify(requests.lines), /OOM command not allowed when used memory > 'maxmemory'/)
    await untilDegraded(app, 'redis-writes', /OOM.*maxmemory/)
    await setLimit(0)
    await untilHealthy(app)
    // The check may also have noticed the earlier tests.
    const logged = checkLog(service.lines, 'redis-writes')
    assert.ok(logged.length >= 2 && logged.length % 2 === 0)
    for (const [index, message] of logged.entries())
      assert.match(message, index % 2 === 0 ? /OOM.*maxmemory/ : /^health check passing again$/)
  })

  test('a Redis user without EXPIRE, as documented for earlier versions, can still delete baskets', async () => {
    const rules = ['on', '>secret', '~basket:*', '+@all', '-expire']
    await send(port, 'ACL', 'SETUSER', 'earlier', ...rules)
    await using earlier = await openRedisApp({ REDIS_URL: `redis://earlier:secret@127.0.0.1:${port}` })
    await untilHealthy(earlier)
    const basket = earlier.basketOf('gus')
    await basket.add(1, 1)
    await setLimit(1)
    assertProblem(await basket.clear(), unavailable)
    assert.deepEqual(linesIn(await basket.get()), [[1, 1]])
    assert.equal((await basket.delete()).statusCode, 204)
    await setLimit(0)
  })
})
