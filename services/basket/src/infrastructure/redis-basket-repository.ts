import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { applyInOrder } from '@shop/platform/limits/batches/apply-in-order.ts'
import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import { keyedBatches } from '@shop/platform/limits/batches/keyed-batches.ts'
import { countedRefusals } from '@shop/platform/limits/refusals.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { RedisStore } from '@shop/redis/store.ts'
import { type Basket, lifetimeSeconds, nextVersion } from '../domain/basket.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { rememberedKey } from '../domain/keyed-writes.ts'
import { decodeBasket, encodeBasket } from './basket-record.ts'
import { type RememberedRecords, rememberedRecords } from './remembered-records.ts'

/** The keys of baskets begin with this. User ids contain no braces, so a key with `{` after it is not a basket. */
export const keyPrefix = 'basket:'

/** The queue of each basket. */
const queue = { maxWaiting: 1_000, maxWaitingPerClient: 500, maxWaitMs: 5_000 } as const
/**
 * The changes of a batch take about 1 µs each, but all its responses are made in one turn of the event loop: 5 ms. A change of 100
 * lines takes 27 µs, or 0.5 ms if each is refused: in a batch of those, the turn takes 50 ms.
 */
const maxBatchSize = 100
/** For 7,000 to 15,000 baskets of three lines. A basket that is forgotten costs its next write a GET, and no more. */
const rememberedBytes = 16 * 1_024 * 1_024
const maxAttempts = 100

type Redis = Pick<RedisStore, 'get' | 'compareAndSet'> & Partial<Pick<RedisStore, 'waitsForReplicas'>>

/** Returns the changed basket, its argument for no change, or undefined to remove it. Must be pure; may throw. */
type Change = (basket: Basket | undefined) => Basket | undefined

const isSuccess = (outcome: Outcome<unknown>): boolean => 'value' in outcome

const encoded = (basket: Basket | undefined): string | null =>
  basket === undefined ? null : encodeBasket(basket)

/**
 * Returns a function that finds out whether Redis holds the record of the basket, for changes that left it as it is. If writes wait
 * for replicas, it waits too: the changes may repeat a write that was not confirmed.
 */
const verify =
  (redis: Redis, clock: Clock) =>
  async (key: string, record: string | null, basket: Basket | undefined, isVerified: boolean) => {
    if (redis.waitsForReplicas && record !== null && basket !== undefined) {
      const secondsLeft = Math.ceil((basket.expiresAt.getTime() - clock().getTime()) / 1_000)
      return redis.compareAndSet(key, record, record, Math.max(1, secondsLeft))
    }
    const found = isVerified ? record : await redis.get(key)
    return { done: found === record, found }
  }

/**
 * Returns a function that applies changes to the basket of a key, and stores the result with one compare-and-set, repeated
 * at once if another process wrote first: after a pause, what was found is outdated, and one of two processes starved. The first
 * attempt is made with the record that this process stored last, which saves a GET. Outcomes are returned only if they
 * were found from what Redis holds. After an error, the record is forgotten: it is unknown what Redis holds.
 */
const sharedUpdate = (redis: Redis, ttlSeconds: number, clock: Clock, remembered: RememberedRecords) => {
  const verifyRecord = verify(redis, clock)
  const applyOne = (basket: Basket | undefined, change: Change): Basket | undefined => {
    const changed = change(basket)
    return changed === basket ? basket : changed && nextVersion(changed, ttlSeconds, clock())
  }

  const store = (key: string, expected: string | null, basket: Basket | undefined, record: string | null) =>
    redis.compareAndSet(key, expected, record, basket ? lifetimeSeconds(basket, ttlSeconds) : ttlSeconds)

  return async (key: string, changes: readonly Change[]) => {
    const guess = remembered.take(key)
    let isVerified = guess === undefined
    let current = guess ?? (await redis.get(key))
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const stored = current === null ? undefined : decodeBasket(current)
      const { state: basket, outcomes } = applyInOrder(stored, changes, applyOne)
      const isSame = basket === stored
      const record = isSame ? current : encoded(basket)
      const { done, found } = isSame
        ? await verifyRecord(key, current, outcomes.some(isSuccess) ? basket : undefined, isVerified)
        : await store(key, current, basket, record)
      if (done) {
        if (record !== null) remembered.remember(key, record)
        return outcomes
      }
      current = found
      isVerified = true
    }
    throw new AppError('unavailable', 'too many concurrent writes to this basket')
  }
}

/**
 * Stores baskets in Redis, one key each. A write is a compare-and-set of the whole value. Within this process, writes to the
 * same basket that wait are stored together.
 */
export const redisBasketRepository = (
  redis: Redis,
  ttlSeconds: number,
  prefix = keyPrefix,
  clock: Clock = systemClock,
  metrics?: Pick<Metrics, 'refusals'>,
): BasketRepository => {
  const refuse = countedRefusals('basket_writes', 'writes of this basket', metrics)
  const remembered = rememberedRecords(rememberedBytes)
  const run = sharedUpdate(redis, ttlSeconds, clock, remembered)
  const { add } = keyedBatches<string, Change, Basket | undefined>({ ...queue, maxBatchSize, refuse, run })

  return {
    find: async (userId) => {
      const record = await redis.get(`${prefix}${userId}`)
      return record === null ? undefined : decodeBasket(record)
    },

    mayRemember: async (userId, key) => {
      const redisKey = `${prefix}${userId}`
      const record = remembered.get(redisKey) ?? (await redis.get(redisKey))
      if (record === null) return false
      // The write that follows begins with it.
      remembered.remember(redisKey, record)
      // To decode the record for each write would take more time than to find out too late that it was another text.
      return record.includes(rememberedKey(key))
    },

    // The cast is safe: the outcome is a basket if `change` returned one, otherwise undefined.
    update: (userId, change) => add(`${prefix}${userId}`, change) as Promise<ReturnType<typeof change>>,
  }
}
