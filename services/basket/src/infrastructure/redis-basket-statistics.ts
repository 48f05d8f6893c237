import type { KeyspaceSample } from '@shop/redis/keyspace-sample.ts'
import type { RedisStore } from '@shop/redis/store.ts'
import type { Basket } from '../domain/basket.ts'
import type { BasketStatistics, BasketStatisticsReader } from '../domain/basket-statistics.ts'
import { estimate } from './basket-estimate.ts'
import { readableBaskets } from './basket-record.ts'

/** So many keys of each server are looked at. Fewer baskets than that are counted exactly. */
const sampleSize = 500
/** So many baskets are read at the same time, and decoded before requests have their turn again. */
const batchSize = 50

type Redis = Pick<RedisStore, 'get' | 'sampleKeyspace'>

const readBaskets = async (redis: Redis, keys: readonly string[]): Promise<Basket[]> => {
  const baskets: Basket[] = []
  for (let at = 0; at < keys.length; at += batchSize) {
    const texts = await Promise.all(keys.slice(at, at + batchSize).map(redis.get))
    // What has expired by now is none any more.
    baskets.push(...readableBaskets(texts.filter((text) => text !== null)))
  }
  return baskets
}

/** For how many of the server's keys one of the sample stands. */
const scaleOf = ({ keys, sample, complete }: KeyspaceSample): number => {
  if (complete) return 1
  if (sample.length === 0) throw new Error('a Redis server has keys but SCAN returned none')
  return keys / sample.length
}

/**
 * Statistics of the baskets in Redis. Nothing is kept for them, and nothing is done to every basket: a bounded sample of the
 * keys of each server is read, and stands for the others.
 */
export const redisBasketStatistics = (redis: Redis, keyPrefix = 'basket:'): BasketStatisticsReader => ({
  read: async () => {
    const sum = { baskets: 0, pieces: 0, value: 0n, expired: 0 }
    const servers = await redis.sampleKeyspace(sampleSize)
    for (const server of servers) {
      const own = server.sample.filter((key) => key.startsWith(keyPrefix))
      const { baskets, pieces, value } = estimate(await readBaskets(redis, own), scaleOf(server))
      sum.baskets += baskets
      sum.pieces += pieces
      sum.value += value
      sum.expired += server.expired
    }
    return sum satisfies BasketStatistics
  },
})
