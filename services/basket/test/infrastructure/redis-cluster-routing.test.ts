import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keySlot } from '@shop/redis/key-slot.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePorts, type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { documentedUser, setUserCommand } from '@shop/testing/stores/redis-user.ts'
import * as fc from 'fast-check'
import { withoutLines } from '../../src/domain/basket.ts'
import { clusterChangeMs, openClusterBaskets } from '../support/cluster-baskets.ts'
import { addPiece } from '../support/load.ts'
import { startSlotMove } from '../support/slot-move.ts'

const refused = (message: RegExp) => ({ code: 'unavailable', message })
const timedOut = refused(/did not respond in time/)
/** The command is refused without being sent. */
const atOnce = refused(/is not responding|is unavailable/)

describe('routing in a Redis cluster', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let cluster: OwnCluster
  before(async () => {
    cluster = await startOwnCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  const users = Array.from({ length: 20 }, (_, index) => `user${index}`)
  const primaryOf = async (user: string) => (await cluster.shardOf(keySlot(`basket:${user}`))).primary

  test('computes the same slot for a key as the server', async () => {
    const anyKey = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', 'é') }))
    await onServer(cluster.nodes[0]?.port ?? 0, (client) =>
      fc.assert(
        fc.asyncProperty(anyKey, async (key) => assert.equal(keySlot(key), await client.clusterKeySlot(key))),
        { numRuns: 300 },
      ),
    )
  })

  for (const waitReplicas of [0, 1])
    test(`serves baskets while their slot moves to another primary, with BASKET_WAIT_REPLICAS=${waitReplicas}`, async () => {
      await using service = openClusterBaskets(cluster, { waitReplicas })
      await service.untilReady()
      const tag = `basket:{moving${waitReplicas}}`
      const baskets = service.baskets(tag)
      for (const user of ['stays', 'moves']) await baskets.update(user, addPiece)

      const move = await startSlotMove(cluster, tag)
      await move.moveKey(`${tag}moves`)
      for (const user of ['stays', 'moves', 'new'])
        assert.equal((await baskets.update(user, addPiece)).version, user === 'new' ? 1 : 2)

      await move.moveKey(`${tag}stays`)
      await move.finish()
      for (const user of ['stays', 'moves', 'new'])
        assert.equal((await baskets.update(user, addPiece)).version, user === 'new' ? 2 : 3)
    })

  test('while a slot moves and its primary is full, loses no basket that is made smaller', async () => {
    await using service = openClusterBaskets(cluster)
    await service.untilReady()
    const tag = 'basket:{full}'
    const baskets = service.baskets(tag)
    for (let piece = 0; piece < 2; piece++) await baskets.update('ann', addPiece)
    const { primary } = await cluster.shardOf(keySlot(tag))
    const setLimit = (bytes: string) =>
      onServer(primary.port, (client) => client.configSet('maxmemory', bytes))
    const move = await startSlotMove(cluster, tag)
    await setLimit('1')
    const smaller = await baskets.update('ann', (basket) => basket && withoutLines(basket))
    assert.deepEqual(await baskets.find('ann'), smaller)
    await setLimit('0')
    await move.moveKey(`${tag}ann`)
    await move.finish()
  })

  test('while a slot moves, waits for the replicas of the primary that executed the write', async () => {
    await using service = openClusterBaskets(cluster, { waitReplicas: 1 })
    await service.untilReady()
    const tag = 'basket:{waiting}'
    const move = await startSlotMove(cluster, tag)
    await eventually(clusterChangeMs, () => service.baskets(tag).update('confirmed', addPiece))
    move.target.replica.suspend()
    try {
      await assert.rejects(service.baskets(tag).update('unconfirmed', addPiece), refused(/did not confirm/))
    } finally {
      move.target.replica.resume()
    }
    await move.finish()
  })

  test('after the first timeout of a hung primary, refuses its keys at once and serves all others', async () => {
    await using service = openClusterBaskets(cluster)
    await service.untilReady()
    const baskets = service.baskets()
    const primaries = await Promise.all(users.map(primaryOf))
    const [hung = assert.fail()] = primaries
    hung.suspend()
    try {
      await assert.rejects(baskets.find('user0'), timedOut)
      for (const [index, user] of users.entries())
        if (primaries[index] === hung) await assert.rejects(baskets.find(user), atOnce)
        else assert.equal(await baskets.find(user), undefined)
      await assert.rejects(service.redis.ping(), atOnce)
    } finally {
      hung.resume()
    }
    await service.untilReady()
    assert.equal(await baskets.find('user0'), undefined)
  })

  test('ignores a listed node that belongs to no cluster', async () => {
    const [port = 0] = await freePorts(1)
    const lone = startRedis(port, { 'cluster-enabled': 'yes', 'cluster-config-file': `${port}.conf` })
    try {
      await eventually(clusterChangeMs, () =>
        onServer(port, (client) => client.sendCommand(setUserCommand(documentedUser()))),
      )
      const nodes = `127.0.0.1:${port},127.0.0.1:${cluster.nodes[0]?.port}`
      // Discovery starts at a random node. With six services, at least one starts at the lone node in 98 % of runs.
      for (let run = 0; run < 6; run++) {
        await using service = openClusterBaskets(cluster, { nodes })
        await service.untilReady()
      }
    } finally {
      await lone.kill()
    }
  })

  test('starts while a primary is dead, refuses its keys at once, and follows the failover', async () => {
    await using early = openClusterBaskets(cluster)
    await early.untilReady()
    const dead = await primaryOf('user0')
    await dead.kill()
    await using late = openClusterBaskets(cluster)
    const servedIndex = (await Promise.all(users.map(primaryOf))).findIndex((primary) => primary !== dead)
    for (const { redis, baskets } of [early, late]) {
      await eventually(clusterChangeMs, () => baskets().find(users[servedIndex] ?? ''))
      await assert.rejects(baskets().find('user0'), atOnce)
      await assert.rejects(redis.ping(), atOnce)
    }
    await cluster.allowFailover()
    for (const { baskets, untilReady } of [early, late]) {
      await untilReady()
      assert.equal(await baskets().find('user0'), undefined)
    }
    dead.restart()
  })

  test('needs only the permissions of the user in docs/redis.md', async () => {
    assert.deepEqual(await eventually(clusterChangeMs, cluster.aclLog), [])
  })
})
