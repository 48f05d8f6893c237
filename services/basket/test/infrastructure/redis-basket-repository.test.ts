import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@shop/kernel/clock.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { onRedis, ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { aBasket } from '../support/baskets.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const openBaskets = async (ttlSeconds: number) => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(prefix))
  const redis = stack.use(openRedis(redisConfigOf({ REDIS_URL: redisUrl }), silentLogger))
  await eventually(20_000, redis.ping)
  return {
    redis,
    baskets: redisBasketRepository(redis, ttlSeconds, prefix),
    prefix,
    keys: () => onRedis(async (client) => (await client.keys(`${prefix}*`)).toSorted()),
    millisecondsLeft: (key: string) => onRedis((client) => client.pTTL(key)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

describe('the Redis basket repository', { skip: withoutRedis }, () => {
  test('stores each basket under one key named after its user, with a time to live', async () => {
    await using server = await openBaskets(60)
    const { baskets, prefix } = server
    await baskets.update('user-1', () => aBasket('user-1'))
    await baskets.update('user-2', () => aBasket('user-2'))
    await baskets.update('user-2', (seen) => seen && { ...seen })
    assert.deepEqual(await server.keys(), [`${prefix}user-1`, `${prefix}user-2`])
    for (const key of await server.keys()) {
      const left = await server.millisecondsLeft(key)
      assert.ok(left > 30_000 && left <= 60_000, `${left} ms left`)
    }
  })

  test('renews the time to live on a write, but not on an update that changes nothing', async () => {
    await using server = await openBaskets(60)
    const { baskets, prefix } = server
    await baskets.update('user', () => aBasket())
    await delay(50)
    await baskets.update('user', (seen) => seen)
    const before = await server.millisecondsLeft(`${prefix}user`)
    assert.ok(before <= 59_950, `${before} ms left`)
    await baskets.update('user', (seen) => seen && { ...seen })
    const renewed = await server.millisecondsLeft(`${prefix}user`)
    assert.ok(renewed > before, `${before} ms left, then ${renewed}`)
  })

  test('rejects a write with unavailable if a concurrent write is always first, and keeps the concurrent writes', async () => {
    await using server = await openBaskets(60)
    const { redis, baskets, prefix } = server
    await baskets.update('user', () => aBasket())
    const compareAndSet: typeof redis.compareAndSet = async (...args) => {
      await baskets.update('user', (seen) => seen && { ...seen })
      return redis.compareAndSet(...args)
    }
    const contended = redisBasketRepository({ ...redis, compareAndSet }, 60, prefix)
    await assert.rejects(
      contended.update('user', () => undefined),
      hasCode('unavailable'),
    )
    assert.equal((await baskets.find('user'))?.version, 101)
  })

  test('refuses a write with unavailable if a thousand others of the basket wait, and never makes it', async () => {
    await using server = await openBaskets(60)
    const { redis, prefix } = server
    const { promise: connected, resolve: connect } = Promise.withResolvers<void>()
    const get: typeof redis.get = (key) => connected.then(() => redis.get(key))
    const metrics = createMetrics('basket-service', '0')
    const slow = redisBasketRepository({ ...redis, get }, 60, prefix, systemClock, metrics)
    let writes = 0
    const write = () =>
      slow.update('user', (seen) => {
        writes += 1
        return seen === undefined ? aBasket('user') : { ...seen }
      })
    const accepted = Array.from({ length: 1_001 }, write)
    await assert.rejects(write(), hasCode('unavailable'))
    assert.match(
      await metrics.registry.getSingleMetricAsString('requests_refused_total'),
      /reason="basket_writes",scope="total"\S* 1$/m,
    )
    connect()
    await Promise.all(accepted)
    assert.equal(writes, 1_001)
  })
})
