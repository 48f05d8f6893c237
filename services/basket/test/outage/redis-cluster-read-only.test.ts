import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keySlot } from '@shop/redis/key-slot.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { checkLog, untilDegraded } from '../support/defects.ts'
import { assertProblem } from '../support/http.ts'
import { openRedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'

describe('in a Redis cluster, one primary', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let cluster: OwnCluster
  before(async () => {
    cluster = await startOwnCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  /** A user whose basket is on the primary of slot 12,000, or on another one. */
  const userOn = async (isFull: boolean) => {
    const { primary } = await cluster.shardOf(12_000)
    for (let number = 0; ; number++) {
      const user = `user${number}`
      const owner = (await cluster.shardOf(keySlot(`basket:${user}`))).primary
      if ((owner === primary) === isFull) return user
    }
  }

  test('that is full degrades the service, which still writes to the others', async () => {
    const { logger, lines } = recordingLogger()
    await using app = await openRedisApp(cluster.variables, logger)
    await untilHealthy(app)
    const { primary } = await cluster.shardOf(12_000)
    const limit = (bytes: string) => onServer(primary.port, (client) => client.configSet('maxmemory', bytes))
    await limit('1')
    await untilDegraded(app, 'redis-writes', /OOM/)
    assertProblem(await app.basketOf(await userOn(true)).add(1, 1), unavailable)
    assert.equal((await app.basketOf(await userOn(false)).add(1, 1)).statusCode, 200)
    await limit('0')
    await untilHealthy(app)
    assert.equal((await app.basketOf(await userOn(true)).add(1, 1)).statusCode, 200)
    const [failing = '', ...rest] = checkLog(lines, 'redis-writes')
    assert.match(failing, /OOM/)
    assert.deepEqual(rest, ['health check passing again'])
  })

  test('that may evict baskets degrades the service', async () => {
    await using app = await openRedisApp(cluster.variables)
    await untilHealthy(app)
    const { primary } = await cluster.shardOf(12_000)
    const setPolicy = (policy: string) =>
      onServer(primary.port, (client) => client.configSet('maxmemory-policy', policy))
    await setPolicy('allkeys-lru')
    await untilDegraded(app, 'redis-eviction', /allkeys-lru/)
    await setPolicy('noeviction')
    await untilHealthy(app)
  })

  test('needs no permissions beyond those in docs/redis.md for these checks', async () => {
    assert.deepEqual(await cluster.aclLog(), [])
  })
})
