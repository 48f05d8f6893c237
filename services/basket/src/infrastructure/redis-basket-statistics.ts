import type { KeyspaceSample } from '@shop/redis/keyspace-sample.ts'
import type { RedisStore } from '@shop/redis/store.ts'
import type { Basket } from '../domain/basket.ts'
import type { BasketStatistics, BasketStatisticsReader } from '../domain/basket-statistics.ts'
import { estimate } from './basket-estimate.ts'
import { readableBaskets } from './basket-record.ts'
import { keyPrefix } from './redis-basket-repository.ts'

/** The number of keys sampled from each server. A server with fewer keys is counted exactly. */
const sampleSize = 500
/** This many baskets are read concurrently, and then decoded without yielding to the event loop. */
const batchSize = 50

type Redis = Pick<RedisStore, 'get' | 'sampleKeyspace'>

const readBaskets = async (redis: Redis, keys: readonly string[]): Promise<Basket[]> => {
  const baskets: Basket[] = []
  for (let start = 0; start < keys.length; start += batchSize) {
    const records = await Promise.all(keys.slice(start, start + batchSize).map(redis.get))
    // A basket may have expired since its key was sampled.
    baskets.push(...readableBaskets(records.filter((record) => record !== null)))
  }
  return baskets
}

/** The number of the server's keys that each key of the sample represents. */
const scaleOf = ({ keys, sample, complete }: KeyspaceSample): number => {
  if (complete) return 1
  if (sample.length === 0) throw new Error('a Redis server has keys but SCAN returned none')
  return keys / sample.length
}

/**
 * Statistics of the baskets in Redis, estimated from a bounded sample of each server's keys. Writes need not
 * maintain counters, and a read does not visit every basket.
 */
export const redisBasketStatistics = (redis: Redis, prefix = keyPrefix): BasketStatisticsReader => ({
  read: async () => {
    const sum = { baskets: 0, pieces: 0, value: 0n, expired: 0 }
    const servers = await redis.sampleKeyspace(sampleSize)
    for (const server of servers) {
      const basketKeys = server.sample.filter((key) => key.startsWith(prefix))
      const { baskets, pieces, value } = estimate(await readBaskets(redis, basketKeys), scaleOf(server))
      sum.baskets += baskets
      sum.pieces += pieces
      sum.value += value
      sum.expired += server.expired
    }
    return sum satisfies BasketStatistics
  },
})
