import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { keyedBulkhead } from '@shop/platform/limits/keyed-bulkhead.ts'
import { countedRefusals } from '@shop/platform/limits/refusals.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { RedisStore } from '@shop/redis/store.ts'
import { nextVersion } from '../domain/basket.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { decodeBasket, encodeBasket } from './basket-record.ts'

/** The keys of baskets begin with this. User ids contain no braces, so a key with `{` after it is not a basket. */
export const keyPrefix = 'basket:'

/** The queue of each basket. A thousand writes take about half a second. */
const queue = { maxWaiting: 1_000, maxWaitingPerClient: 500, maxWaitMs: 5_000 } as const
const maxAttempts = 100

/**
 * Pauses for a random time, so that competing processes stop colliding. The maximum grows by 1 ms per attempt,
 * up to 20 ms.
 */
const pause = (attempt: number) => delay(Math.random() * Math.min(attempt, 20))

/**
 * Stores baskets in Redis, one key each. A write is a compare-and-set of the whole value, retried if another
 * process wrote first. Within this process, writes to the same basket are queued.
 */
export const redisBasketRepository = (
  redis: Pick<RedisStore, 'get' | 'compareAndSet'>,
  ttlSeconds: number,
  prefix = keyPrefix,
  clock: Clock = systemClock,
  metrics?: Pick<Metrics, 'refusals'>,
): BasketRepository => {
  const refuse = countedRefusals('basket_writes', 'writes of this basket', metrics)
  const enqueue = keyedBulkhead({ ...queue, refuse })

  return {
    find: async (userId) => {
      const record = await redis.get(`${prefix}${userId}`)
      return record === null ? undefined : decodeBasket(record)
    },

    update: (userId, change) =>
      enqueue(userId, async () => {
        const key = `${prefix}${userId}`
        let current = await redis.get(key)
        for (let attempt = 1; attempt <= maxAttempts; attempt++) {
          const stored = current === null ? undefined : decodeBasket(current)
          const changed = change(stored)
          if (changed === stored) return changed
          const next = changed && nextVersion(changed, ttlSeconds, clock())
          const { done, found } = await redis.compareAndSet(
            key,
            current,
            next ? encodeBasket(next) : null,
            ttlSeconds,
          )
          // The cast is safe: `next` is a basket if `changed` is one, otherwise `undefined`.
          if (done) return next as typeof changed
          current = found
          await pause(attempt)
        }
        throw new AppError('unavailable', 'too many concurrent writes to this basket')
      }),
  }
}
