import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { assertCountsByItself, lastRelease, startServer } from '../support/rates.ts'
import { redisConfigOf } from '../support/redis-config.ts'

/** Users that may use baskets, and not all that rate limits need. */
const users = {
  'no keys of rate limits': [`${lastRelease} +eval +incrby +pttl`, /NOPERM/],
  'no command of their script': [`${lastRelease} ~rate:* +eval`, /incrby|ACL failure|can't run/],
} as const

describe('rate limits', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  for (const [name, [permissions, reason]] of Object.entries(users))
    test(`with ${name} count in the process: one warning says why, and the service is healthy`, () =>
      assertCountsByItself(permissions, reason))

  const used = { name: 'requests', quota: 100, windowSeconds: 60 }

  test('that a replica refuses do not interrupt reads', async () => {
    await using server = await startServer()
    await using store = openRedis(redisConfigOf({ REDIS_URL: server.url }), silentLogger)
    await eventually(20_000, store.ping)
    const shared = store.shareUsage(used)
    assert.deepEqual((await shared.add('ann', 2)).used, 2)
    await server.send('REPLICAOF', '127.0.0.1', '1')
    // A connection may be dropped once a second.
    await delay(1_100)
    for (let round = 0; round < 2; round++) {
      await assert.rejects(shared.add('ann', 1), { kind: 'unavailable' })
      for (let count = 0; count < 20; count++) assert.equal(await store.get('basket:ann'), null)
      await delay(1_100)
    }
    await server.send('REPLICAOF', 'NO', 'ONE')
    await eventually(5_000, async () => assert.equal((await shared.add('ann', 1)).used, 3))
  })
})
