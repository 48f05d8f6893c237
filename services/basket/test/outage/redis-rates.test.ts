import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { assertCountsByItself, create, lastRelease, limit, startServer } from '../support/rates.ts'
import { openRedisApp, untilHealthy } from '../support/redis-app.ts'
import { redisConfigOf } from '../support/redis-config.ts'

describe('rate limits', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  test('with the permissions of the last release count in the process: one warning says why, and the service is healthy', () =>
    assertCountsByItself(lastRelease, /NOPERM.*'eval'/))

  test('of a full Redis count in the process, and existing baskets can be emptied', async () => {
    await using server = await startServer()
    await using app = await openRedisApp({ REDIS_URL: server.url, NEW_BASKETS_PER_HOUR: String(limit) })
    await untilHealthy(app)
    assert.equal((await app.basket.add(1, 1)).statusCode, 200)
    await server.send('CONFIG', 'SET', 'maxmemory', '1')
    for (let count = 0; count < 2 * limit; count++) assert.equal(await create(app), 503)
    assert.equal((await app.basket.clear()).statusCode, 200)
    await server.send('CONFIG', 'SET', 'maxmemory', '0')
    for (let count = 1; count < limit; count++) assert.equal(await create(app), 201)
    assert.equal(await create(app), 429)
  })

  const used = { name: 'requests', quota: 100, windowSeconds: 60 }

  test('do not wait for the confirmation of writes', async () => {
    await using server = await startServer()
    const variables = { REDIS_URL: server.url, BASKET_WAIT_REPLICAS: '1' }
    await using store = openRedis(redisConfigOf(variables), silentLogger)
    await eventually(20_000, store.ping)
    let isConfirmed: boolean | undefined
    const write = store.compareAndSet('basket:ann', null, 'x', 60).then(
      () => (isConfirmed = true),
      () => (isConfirmed = false),
    )
    // Redis holds the connection of the write for 200 ms, until its WAIT gives up.
    await eventually(5_000, async () => assert.equal(await store.get('basket:ann'), 'x'))
    assert.equal((await store.shareUsage(used).add('ann', 1)).used, 1)
    assert.equal(isConfirmed, undefined)
    await write
    assert.equal(isConfirmed, false)
  })

  test('leave reads alone while Redis pauses writes, and are shared again afterwards', async () => {
    await using server = await startServer()
    await using store = openRedis(redisConfigOf({ REDIS_URL: server.url }), silentLogger)
    await eventually(20_000, store.ping)
    const shared = store.shareUsage(used)
    await server.send('CLIENT', 'PAUSE', '900', 'WRITE')
    await assert.rejects(shared.add('ann', 1), { kind: 'unavailable' })
    assert.equal(await store.get('basket:ann'), null)
    await eventually(5_000, () => shared.add('ann', 1))
    // The one that was held back counts too.
    assert.equal((await shared.add('ann', 1)).used, 3)
  })
})
