import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keySlot } from '@shop/redis/key-slot.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { redisBasketStatistics } from '../../src/infrastructure/redis-basket-statistics.ts'
import { type ClusterBaskets, clusterChangeMs, openClusterBaskets } from '../support/cluster-baskets.ts'
import {
  addPiece,
  assertNothingLost,
  assertTailLost,
  startLoad,
  type Writer,
  waitForWrites,
} from '../support/load.ts'

type IsDoomed = (user: string) => Promise<boolean>

/** Starts writers through the service. `doomed` write to baskets on the primary that will die, `safe` to others. */
const startWriters = async (service: ClusterBaskets, name: string, isDoomed: IsDoomed) => {
  const users = Array.from({ length: 15 }, (_, index) => `${name}${index}`)
  const doomedUsers = new Set<string>()
  for (const user of users) if (await isDoomed(user)) doomedUsers.add(user)
  assert.ok(doomedUsers.size > 0 && doomedUsers.size < users.length)
  const { writers, stop } = startLoad(service.baskets(), users)
  const { true: doomed = [], false: safe = [] } = Object.groupBy(writers, ({ user }) =>
    doomedUsers.has(user) ? 'true' : 'false',
  )
  return { doomed, safe, stop }
}

/** Starts writers through both services: `eager` does not wait for replicas, `careful` does. */
const startLoads = async (eager: ClusterBaskets, careful: ClusterBaskets, isDoomed: IsDoomed) => {
  const loads = {
    eager: await startWriters(eager, 'eager', isDoomed),
    careful: await startWriters(careful, 'careful', isDoomed),
  }
  const stop = () => Promise.all([loads.eager.stop(), loads.careful.stop()])
  return { ...loads, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

/** Asserts that, after the first connection, no message repeats before the next connection, which is logged last. */
const assertLoggedOnce = (lines: readonly Record<string, unknown>[]) => {
  const messages = lines.map(({ msg }) => String(msg))
  const isConnection = (message: string) => message.startsWith('connected to Redis')
  assert.ok(isConnection(messages.at(-1) ?? ''))
  const afterConnection = messages.slice(messages.findIndex(isConnection) + 1)
  assert.ok(afterConnection.length > 1)
  for (const [index, message] of afterConnection.entries()) {
    const next = afterConnection.indexOf(message, index + 1)
    assert.ok(next < 0 || afterConnection.slice(index, next).some(isConnection), message)
  }
}

describe('a Redis cluster', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let cluster: OwnCluster
  before(async () => {
    cluster = await startOwnCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('reports the statistics and connections of all primaries together, and the memory of each', async () => {
    await using service = openClusterBaskets(cluster)
    await service.untilReady()
    const users = Array.from({ length: 30 }, (_, index) => `counted${index}`)
    for (const user of users) await service.baskets().update(user, addPiece)
    const { baskets, pieces } = await redisBasketStatistics(service.redis).read()
    assert.deepEqual([baskets, pieces], [30, 30])
    const memory = await service.redis.memory()
    assert.equal(memory.length, 3)
    for (const { used, max } of memory) assert.ok(used > 100_000 && max === 0)
    assert.deepEqual(service.redis.connections(), { used: 9, max: 9 })
  })

  test('loses unreplicated writes when a primary dies, but no write that waited for a replica', async () => {
    const { logger, lines } = recordingLogger()
    await using eager = openClusterBaskets(cluster, { logger })
    await using careful = openClusterBaskets(cluster, { waitReplicas: 1 })
    await eager.untilReady()
    await eventually(clusterChangeMs, careful.redis.pingReplicas)
    const { primary, replica } = await cluster.shardOf(12_000)
    await using load = await startLoads(
      eager,
      careful,
      async (user) => (await cluster.shardOf(keySlot(`basket:${user}`))).primary === primary,
    )
    const safe = [...load.eager.safe, ...load.careful.safe]

    await waitForWrites([...safe, ...load.eager.doomed], 2)
    const kept = new Map<Writer, number>()
    for (const writer of load.eager.doomed) kept.set(writer, writer.acknowledged.at(-1) ?? 0)
    // Each second write starts after `kept` is complete. The replica confirms it only when it has all earlier writes.
    await waitForWrites(load.careful.doomed, 2)
    replica.suspend()
    await onServer(primary.port, (client) => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica']))
    await waitForWrites(load.eager.doomed, 3)
    await assert.rejects(careful.redis.pingReplicas(), hasCode('unavailable'))
    await primary.kill()

    replica.resume()
    await cluster.allowFailover()
    await Promise.all([eager, careful].map(({ untilReady }) => untilReady()))
    await waitForWrites([...safe, ...load.eager.doomed], 2)
    await assert.rejects(careful.redis.pingReplicas(), hasCode('unavailable'))
    primary.restart()
    await waitForWrites(load.careful.doomed, 2)
    await load.stop()

    for (const writer of [...safe, ...load.careful.doomed])
      assertNothingLost(writer, await eager.baskets().find(writer.user))
    for (const [writer, version] of kept)
      assertTailLost(writer, await eager.baskets().find(writer.user), version)
    assertLoggedOnce(lines)
  })

  test('needs only the permissions of the user in docs/redis.md', async () => {
    assert.deepEqual(await cluster.aclLog(), [])
  })
})
