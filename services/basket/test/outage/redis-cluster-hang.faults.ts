import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { keySlot } from '@shop/redis/key-slot.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { callsOf, onServer, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { clusterChangeMs, openClusterBaskets } from '../support/cluster-baskets.ts'
import { assertProblem, basketIn } from '../support/http.ts'
import { openRedisApp, type RedisApp, unavailable, untilHealthy } from '../support/redis-app.ts'

/** The shortest pause between two discoveries, for reads or for writes. */
const minPauseMs = 250
/** A slot that the first node, which the test asks for the topology, never owns. */
const slot = 12_000

/** Whether the service has lost a connection, as it does five seconds after a server hangs. It then discovers anyway. */
const hasLostConnection = (lines: readonly Record<string, unknown>[]) =>
  lines.some(({ msg }) => msg === 'Redis is unreachable, retrying')

/** A machine that is short of CPU time may lose the connection first, so there are three attempts. */
const untilTrue = async (attempt: () => Promise<boolean>, message: string) => {
  for (let left = 3; left > 0; left--) if (await attempt()) return
  assert.fail(message)
}

/** Adds pieces to the basket one after the other. `acknowledged` has the time and the version of each add. */
const startAdds = (app: RedisApp, user: string) => {
  const stopping = new AbortController()
  const acknowledged: { at: number; version: number }[] = []
  let refused = 0
  const add = async () => {
    for (let product = 1; !stopping.signal.aborted; product = 1 + (product % 10)) {
      const response = await app.basketOf(user).add(product, 1)
      if (response.statusCode === 200)
        acknowledged.push({ at: performance.now(), version: basketIn(response).version })
      else {
        assertProblem(response, unavailable)
        refused += 1
      }
      await delay(10)
    }
  }
  const running = add()
  return {
    acknowledged,
    refused: () => refused,
    /** Resolves with the first add that is acknowledged after this time. */
    acknowledgedAfter: (time: number) =>
      eventually(clusterChangeMs, async () => {
        const first = acknowledged.find(({ at }) => at > time)
        assert.ok(first)
        return first
      }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await running
    },
  }
}

/** Opens a connection to the replica, so that a call of the function promotes it without delay. */
const preparePromotion = async (replica: Readonly<{ port: number }>) => {
  const { promise: order, resolve: promote } = Promise.withResolvers<void>()
  const { promise: connected, resolve: connect } = Promise.withResolvers<void>()
  const promoted = onServer(replica.port, async (client) => {
    connect()
    await order
    await client.sendCommand(['CLUSTER', 'FAILOVER', 'TAKEOVER'])
    assert.match(await client.info('replication'), /role:master/)
    return performance.now()
  })
  await connected
  return () => {
    promote()
    return promoted
  }
}

/** The number of connections that the server has accepted, including the one that asks. */
const connectionsAccepted = (port: number) =>
  onServer(port, async (client) =>
    Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1]),
  )

/** The number of connections of the service that are open on the server. */
const connectionsOpen = (port: number) =>
  onServer(
    port,
    async (client) => (await client.clientList()).filter(({ name }) => name === 'basket-service').length,
  )

describe('in a Redis cluster, a primary that hangs', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  let cluster: OwnCluster
  before(async () => {
    cluster = await startOwnCluster()
  })
  after(() => cluster[Symbol.asyncDispose]())

  /** A user whose basket is on the primary of the slot, and one whose basket is on another primary. */
  const findUsers = async () => {
    const { primary } = await cluster.shardOf(slot)
    const found = { hung: '', served: '' }
    for (let number = 0; found.hung === '' || found.served === ''; number++) {
      const user = `user${number}`
      const owner = (await cluster.shardOf(keySlot(`basket:${user}`))).primary
      found[owner === primary ? 'hung' : 'served'] ||= user
    }
    return found
  }

  const untilSwapped = ({ primary, replica }: Awaited<ReturnType<OwnCluster['shardOf']>>) =>
    eventually(clusterChangeMs, async () => {
      assert.deepEqual(await cluster.shardOf(slot), { primary: replica, replica: primary })
      assert.match(await onServer(primary.port, (client) => client.info('replication')), /role:slave/)
    })

  const replaceUnderLoad = async (context: TestContext) => {
    const { primary, replica } = await cluster.shardOf(slot)
    const { logger, lines } = recordingLogger()
    const nodes = `127.0.0.1:${primary.port}`
    await using app = await openRedisApp({ ...cluster.variables, REDIS_CLUSTER_NODES: nodes }, logger)
    await untilHealthy(app)
    const users = await findUsers()
    const promote = await preparePromotion(replica)
    await using hung = startAdds(app, users.hung)
    await using served = startAdds(app, users.served)
    await hung.acknowledgedAfter(0)
    const accepted = await connectionsAccepted(primary.port)

    primary.suspend()
    const suspendedAt = performance.now()
    await eventually(clusterChangeMs, async () => assert.notEqual(hung.refused(), 0))
    await served.acknowledgedAfter(suspendedAt)
    const promotedAt = await promote()
    const first = await hung.acknowledgedAfter(promotedAt)
    const isInTime = !hasLostConnection(lines)
    const refused = hung.refused()
    primary.resume()
    if (isInTime)
      assert.equal(await connectionsAccepted(primary.port), accepted + 1, 'the hung node was asked')
    context.diagnostic(`served ${Math.round(first.at - promotedAt)} ms after the promotion`)

    await untilSwapped({ primary, replica })
    await untilHealthy(app)
    await hung.acknowledgedAfter(performance.now() + 1_000)
    await hung[Symbol.asyncDispose]()
    const since = hung.acknowledged.slice(hung.acknowledged.indexOf(first))
    const versions = since.map(({ version }) => version)
    assert.deepEqual(
      versions,
      [...new Set(versions)].toSorted((one, other) => one - other),
    )
    const { version } = basketIn(await app.basketOf(users.hung).get())
    const last = versions.at(-1) ?? 0
    assert.ok(last <= version && version <= last + hung.refused() - refused)
    return isInTime
  }

  test('is replaced by its promoted replica before the connection is lost, and no later write is lost', (context) =>
    untilTrue(() => replaceUnderLoad(context), 'the service lost its connection first'))

  const replaceWhileOverdue = async (overdue: 'reads' | 'writes') => {
    const { logger, lines } = recordingLogger()
    await using service = openClusterBaskets(cluster, { logger })
    await service.untilReady()
    const { primary, replica } = await cluster.shardOf(slot)
    const key = `basket:${(await findUsers()).hung}`
    const { redis } = service
    const send = (): Promise<unknown> =>
      overdue === 'reads' ? redis.get(key) : redis.compareAndSet(key, 'another value', null, 1)
    const promote = await preparePromotion(replica)
    primary.suspend()
    await assert.rejects(send)
    await promote()
    // For reads, for writes, and for rate limits, which follows them.
    await eventually(clusterChangeMs, async () => assert.equal(await connectionsOpen(replica.port), 3))
    const isInTime = !hasLostConnection(lines)
    await eventually(clusterChangeMs, send)
    primary.resume()
    await untilSwapped({ primary, replica })
    return isInTime
  }

  for (const overdue of ['reads', 'writes'] as const)
    test(`is replaced for reads and writes when only ${overdue} are overdue`, () =>
      untilTrue(() => replaceWhileOverdue(overdue), 'the service lost its connection first'))

  type Primary = Awaited<ReturnType<OwnCluster['shardOf']>>['primary']
  /** In each case, only reads or only writes are overdue, so only one of the two discovers. */
  const cases = [
    {
      state: 'that is not replaced',
      begin: async (primary: Primary) => primary.suspend(),
      end: async (primary: Primary) => primary.resume(),
      ownConnections: 0,
      servesReads: false,
    },
    {
      state: 'that pauses its writes (CLIENT PAUSE WRITE)',
      begin: ({ port }: Primary) =>
        onServer(port, (client) => client.sendCommand(['CLIENT', 'PAUSE', '60000', 'WRITE'])),
      end: ({ port }: Primary) => onServer(port, (client) => client.sendCommand(['CLIENT', 'UNPAUSE'])),
      ownConnections: 2,
      servesReads: true,
    },
  ]

  /** The number of discoveries that were answered by the primaries of the other slots. */
  const discoveries = async () => {
    const others = await Promise.all([0, 8_000].map((other) => cluster.shardOf(other)))
    return async () => {
      const calls = others.map(({ primary }) => callsOf(primary.port, 'cluster\\|slots'))
      return (await Promise.all(calls)).reduce((total, count) => total + count, 0)
    }
  }

  for (const { state, begin, end, ownConnections, servesReads } of cases)
    test(`${state} makes the service ask the others at a limited rate`, async () => {
      const { logger, lines } = recordingLogger()
      await using service = openClusterBaskets(cluster, { logger })
      await service.untilReady()
      const { primary } = await cluster.shardOf(slot)
      const users = await findUsers()
      let late = 0
      const read = (user: string) =>
        eventually(clusterChangeMs, () =>
          service.redis.get(`basket:${user}`).catch((error: unknown) => {
            late += 1
            throw error
          }),
        )
      const send = (): Promise<unknown> =>
        servesReads
          ? service.redis.compareAndSet(`basket:${users.hung}`, 'another value', null, 1)
          : service.redis.get(`basket:${users.hung}`)
      await eventually(clusterChangeMs, send)
      const count = await discoveries()
      const earlier = await count()
      const accepted = await connectionsAccepted(primary.port)
      const startedAt = performance.now()
      await begin(primary)
      try {
        for (let run = 0; run < 10; run++) {
          await assert.rejects(send, hasCode('unavailable'))
          await read(users.served)
          if (servesReads) await read(users.hung)
          await delay(200)
        }
      } finally {
        await end(primary)
      }
      if (!hasLostConnection(lines) && late === 0)
        assert.equal(await connectionsAccepted(primary.port), accepted + ownConnections + 1)
      const asked = (await count()) - earlier
      const maxAsked = 2 + (performance.now() - startedAt) / minPauseMs
      assert.ok(2 < asked && asked <= maxAsked, `${asked} discoveries, at most ${maxAsked} expected`)
      await service.untilReady()
      await eventually(clusterChangeMs, send)
      assert.equal((await cluster.shardOf(slot)).primary, primary)
    })

  test('needs no permissions beyond those in docs/redis.md', async () => {
    assert.deepEqual(await cluster.aclLog(), [])
  })
})
