import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withMore } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import type { BasketStatisticsReader } from '../../src/domain/basket-statistics.ts'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { redisBasketStatistics } from '../../src/infrastructure/redis-basket-statistics.ts'
import { sqliteBasketExpiry } from '../../src/infrastructure/sqlite/sqlite-basket-expiry.ts'
import { sqliteBasketRepository } from '../../src/infrastructure/sqlite/sqlite-basket-repository.ts'
import { sqliteBasketStatistics } from '../../src/infrastructure/sqlite/sqlite-basket-statistics.ts'
import { aBasket, aProduct, longTtl, ownFolder } from '../support/baskets.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const product = aProduct({ price: 1_499n, stock: 100_000 })

const fill = async (baskets: BasketRepository, count: number, quantity: number): Promise<void> => {
  for (let start = 0; start < count; start += 100)
    await Promise.all(
      Array.from({ length: Math.min(100, count - start) }, (_, index) =>
        baskets.update(`user-${start + index}`, (stored) =>
          withMore(stored ?? aBasket(`user-${start + index}`), product, quantity),
        ),
      ),
    )
}

/** Asserts that few baskets are counted exactly, and that many are estimated from a sample. */
const assertStatistics = async (
  baskets: BasketRepository,
  statistics: BasketStatisticsReader,
): Promise<void> => {
  assert.deepEqual(await statistics.read(), { baskets: 0, pieces: 0, value: 0n, expired: 0 })
  await fill(baskets, 30, 2)
  await baskets.update('user-0', (stored) => stored && withMore(stored, product, 5))
  await baskets.update('user-1', () => undefined)
  assert.deepEqual(await statistics.read(), { baskets: 29, pieces: 63, value: 63n * 1_499n, expired: 0 })
  await baskets.update('user-0', () => undefined)
  await fill(baskets, 2_000, 2)
  const { pieces, value, baskets: count, expired } = await statistics.read()
  assert.deepEqual([count, expired], [2_000, 0])
  // 28 of the baskets were filled twice and hold four pieces instead of two.
  assert.ok(pieces >= 4_000 && pieces <= 4_400, `${pieces} pieces`)
  assert.ok(value >= 4_000n * 1_499n && value <= 4_400n * 1_499n)
}

describe('basket statistics', () => {
  test('are exact for few baskets and estimated for many in SQLite', async () => {
    await using folder = await ownFolder()
    using sqlite = openSqlite(join(folder.path, 'baskets.sqlite'))
    const baskets = sqliteBasketRepository(sqlite, longTtl)
    const expiry = sqliteBasketExpiry(sqlite)
    const statistics = sqliteBasketStatistics(sqlite, expiry.removed)
    await assertStatistics(baskets, statistics)
    sqlite.exec('update baskets set expires_at = 1')
    assert.equal(
      (await statistics.read()).baskets,
      0,
      'an expired basket is not counted, even before its removal',
    )
    await expiry.removeExpired()
    assert.equal((await statistics.read()).expired, 500)
  })

  test('are exact for few baskets and estimated for many in Redis', { skip: withoutOwnRedis }, async () => {
    const port = await freePort()
    const server = startRedis(port)
    try {
      await using redis = openRedis(redisConfigOf({ REDIS_URL: `redis://127.0.0.1:${port}` }), silentLogger)
      await eventually(20_000, redis.ping)
      const statistics = redisBasketStatistics(redis)
      await assertStatistics(redisBasketRepository(redis, longTtl), statistics)
      await redis.compareAndSet('basket:brief', null, 'x', 1)
      await eventually(20_000, async () => assert.equal(await redis.get('basket:brief'), null))
      assert.equal((await statistics.read()).expired, 1)
    } finally {
      await server.kill()
    }
  })
})
