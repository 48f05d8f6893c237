import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keySlot } from '@shop/redis/key-slot.ts'
import { openRedis } from '@shop/redis/store.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import * as fc from 'fast-check'
import { redisBasketRepository } from '../../src/infrastructure/redis-basket-repository.ts'
import { redisBasketStatistics } from '../../src/infrastructure/redis-basket-statistics.ts'
import { coded, longTtl } from '../support/baskets.ts'
import {
  assertNothingLost,
  assertTailLost,
  oneMore,
  startLoad,
  untilMore,
  type Writer,
} from '../support/load.ts'
import { redisConfigOf } from '../support/redis-config.ts'

const patienceMs = 30_000

const openBaskets = (cluster: OwnCluster, waitReplicas: number, logger = silentLogger) => {
  const variables = { ...cluster.variables, BASKET_WAIT_REPLICAS: String(waitReplicas) }
  const redis = openRedis(redisConfigOf(variables), logger)
  return {
    redis,
    /** Their keys begin with the prefix: `{x}` in it puts all of them into one slot. */
    baskets: (prefix = 'basket:') => redisBasketRepository(redis, longTtl, prefix),
    untilReady: () => eventually(patienceMs, redis.ping),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  }
}

type Service = ReturnType<typeof openBaskets>

/** Writers through both services, apart by whether their baskets are where `isDoomed` says. */
const startLoads = async (eager: Service, careful: Service, isDoomed: (user: string) => Promise<boolean>) => {
  const begin = async (service: Service, name: string) => {
    const users = Array.from({ length: 15 }, (_, index) => `${name}${index}`)
    const doomed = new Set<string>()
    for (const user of users) if (await isDoomed(user)) doomed.add(user)
    assert.ok(doomed.size > 0 && doomed.size < users.length)
    const load = startLoad(service.baskets(), users)
    const those = (wanted: boolean) => load.writers.filter(({ user }) => doomed.has(user) === wanted)
    return { doomed: those(true), safe: those(false), stop: load.stop }
  }
  const loads = { eager: await begin(eager, 'eager'), careful: await begin(careful, 'careful') }
  const stop = () => Promise.all([loads.eager.stop(), loads.careful.stop()])
  return { ...loads, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

/** Between two connections each warning is said once, and the last word is that there is one. */
const assertSaidOnce = (lines: readonly Record<string, unknown>[]) => {
  const said = lines.map(({ msg }) => String(msg))
  assert.match(said.at(-1) ?? '', /^connected to Redis/)
  const outage = said.slice(said.findIndex((line) => line.startsWith('connected')) + 1)
  assert.ok(outage.length > 1)
  for (const [index, line] of outage.entries()) {
    const again = outage.indexOf(line, index + 1)
    const over = outage.slice(index, again < 0 ? undefined : again)
    assert.ok(again < 0 || over.some((one) => one.startsWith('connected')), line)
  }
}

describe('a cluster of Redis', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let cluster: OwnCluster
  before(async () => {
    cluster = await startOwnCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('has each key in the slot that we think', async () => {
    const key = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', 'é') }))
    await onServer(cluster.nodes[0]?.port ?? 0, (client) =>
      fc.assert(
        fc.asyncProperty(key, async (text) => assert.equal(keySlot(text), await client.clusterKeySlot(text))),
        { numRuns: 300 },
      ),
    )
  })

  test('is counted as a whole', async () => {
    await using service = openBaskets(cluster, 0)
    await service.untilReady()
    const users = Array.from({ length: 30 }, (_, index) => `counted${index}`)
    for (const user of users) await service.baskets().update(user, oneMore)
    const { baskets, pieces } = await redisBasketStatistics(service.redis).read()
    assert.deepEqual([baskets, pieces], [30, 30])
    const memory = await service.redis.memory()
    assert.equal(memory.length, 3)
    for (const { used, max } of memory) assert.ok(used > 100_000 && max === 0)
    assert.deepEqual(service.redis.connections(), { used: 3, max: 3 })
  })

  for (const replicas of [0, 1])
    test(`serves baskets while they move to another primary, waiting for ${replicas} replicas`, async () => {
      await using service = openBaskets(cluster, replicas)
      await service.untilReady()
      const tag = `basket:{moving${replicas}}`
      const slot = keySlot(tag)
      const baskets = service.baskets(tag)
      const { primary: source } = await cluster.shardOf(slot)
      const { primary: target } = await cluster.shardOf((slot + 8_192) % 16_384)
      assert.notEqual(source, target)
      for (const user of ['stays', 'moves']) await baskets.update(user, oneMore)
      const move = (user: string) =>
        onServer(source.port, (client) => client.migrate('127.0.0.1', target.port, `${tag}${user}`, 0, 5_000))

      await onServer(target.port, async (client) => {
        await client.scriptFlush()
        await client.clusterSetSlot(slot, 'IMPORTING', source.id)
      })
      await onServer(source.port, (client) => client.clusterSetSlot(slot, 'MIGRATING', target.id))
      await move('moves')
      for (const user of ['stays', 'moves', 'new'])
        assert.equal((await baskets.update(user, oneMore)).version, user === 'new' ? 1 : 2)

      await move('stays')
      for (const { port } of [target, source])
        await onServer(port, (client) => client.clusterSetSlot(slot, 'NODE', target.id))
      for (const user of ['stays', 'moves', 'new'])
        assert.equal((await baskets.update(user, oneMore)).version, user === 'new' ? 2 : 3)
    })

  test('of which a primary hangs refuses its baskets and serves the others', async () => {
    await using service = openBaskets(cluster, 0)
    await service.untilReady()
    const baskets = service.baskets()
    const users = Array.from({ length: 20 }, (_, index) => `user${index}`)
    const shards = await Promise.all(users.map((user) => cluster.shardOf(keySlot(`basket:${user}`))))
    const [{ primary: hung } = assert.fail()] = shards
    hung.hang()
    try {
      await assert.rejects(baskets.find('user0'), coded('unavailable'))
      const found = await Promise.allSettled(users.map(baskets.find))
      assert.deepEqual(
        found.map(({ status }) => status === 'rejected'),
        shards.map(({ primary }) => primary === hung),
      )
      await assert.rejects(service.redis.ping(), coded('unavailable'))
    } finally {
      hung.goOn()
    }
    await service.untilReady()
    assert.equal(await baskets.find('user0'), undefined)
  })

  test('loses what no replica has when a primary dies, and nothing that was waited for', async () => {
    const { logger, lines } = recordingLogger()
    await using eager = openBaskets(cluster, 0, logger)
    await using careful = openBaskets(cluster, 1)
    await eager.untilReady()
    await eventually(patienceMs, careful.redis.pingReplicas)
    const { primary, replica } = await cluster.shardOf(12_000)
    await using load = await startLoads(
      eager,
      careful,
      async (user) => (await cluster.shardOf(keySlot(`basket:${user}`))).primary === primary,
    )
    const safe = [...load.eager.safe, ...load.careful.safe]

    await untilMore([...safe, ...load.eager.doomed], 2)
    const kept = new Map<Writer, number>()
    for (const writer of load.eager.doomed) kept.set(writer, writer.acknowledged.at(-1) ?? 0)
    // The second of these is begun after that, and what it waits for comes behind all that was acknowledged before.
    await untilMore(load.careful.doomed, 2)
    replica.hang()
    await onServer(primary.port, (client) => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica']))
    await untilMore(load.eager.doomed, 3)
    await assert.rejects(careful.redis.pingReplicas(), coded('unavailable'))
    await primary.kill()

    await using early = openBaskets(cluster, 0)
    await eventually(patienceMs, () => early.baskets().find(load.eager.safe[0]?.user ?? ''))
    await assert.rejects(early.redis.ping(), coded('unavailable'))
    replica.goOn()
    await cluster.noticeFailures()
    await Promise.all([eager, careful, early].map(({ untilReady }) => untilReady()))
    await untilMore([...safe, ...load.eager.doomed], 2)
    await assert.rejects(careful.redis.pingReplicas(), coded('unavailable'))
    primary.restart()
    await untilMore(load.careful.doomed, 2)
    await load.stop()

    for (const writer of [...safe, ...load.careful.doomed])
      assertNothingLost(writer, await early.baskets().find(writer.user))
    for (const [writer, version] of kept)
      assertTailLost(writer, await early.baskets().find(writer.user), version)
    assertSaidOnce(lines)
  })

  test('needs no more of its user than docs/redis.md says', async () => {
    assert.deepEqual(await cluster.refusals(), [])
  })
})
