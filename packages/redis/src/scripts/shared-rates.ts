import type { RatePolicy, ShareUsage } from '@shop/platform/limits/rates/policy.ts'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { RedisConnection } from '../connection.ts'

/** No other key of the service begins like this: the id of a user may contain a colon. */
const ratePrefix = 'rate'

type EvalOptions = Readonly<{ keys: readonly string[]; arguments: readonly string[] }>

/** What the library calls of a client. The command goes to the server that owns the key. */
const storeClient = ({ run }: Pick<RedisConnection, 'run'>) => ({
  eval: (script: string, { keys: [key = ''], arguments: values }: EvalOptions) =>
    run(key, (client) => client.sendCommand<[number, number]>(['EVAL', script, '1', key, ...values])),
})

/**
 * Keeps the usage of rate limits in Redis, one key for each policy and identity, which expires when its window ends. The
 * commands reject with `unavailable` like all others.
 */
export const shareRatesOn =
  (connection: Pick<RedisConnection, 'run'>): ShareUsage =>
  ({ name, quota, windowSeconds }: RatePolicy) => {
    const limiter = new RateLimiterRedis({
      storeClient: storeClient(connection),
      useRedisPackage: true,
      keyPrefix: `${ratePrefix}:${name}`,
      points: quota,
      duration: windowSeconds,
    })
    return {
      add: async (identity, points) => {
        // Unlike `consume`, it also answers when the quota is exceeded.
        const { consumedPoints, msBeforeNext } = await limiter.penalty(identity, points)
        return { used: consumedPoints, resetMs: msBeforeNext }
      },
    }
  }
