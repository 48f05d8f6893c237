import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type OwnCluster, startOwnCluster } from '@shop/testing/stores/own-cluster.ts'
import { onServer } from '@shop/testing/stores/own-redis.ts'
import type { Fault } from './faults.ts'
import type { Random } from './random.ts'
import type { Store } from './stores.ts'

const failoverMs = 30_000

type Node = OwnCluster['nodes'][number]

const roleOf = (node: Node): Promise<string> =>
  onServer(node.port, async (client) => {
    const replication = await client.info('replication')
    const role = /role:(\w+)/.exec(replication)?.[1] ?? ''
    return role === 'slave' && !replication.includes('master_link_status:up') ? 'slave without data' : role
  })

const primariesOf = async (nodes: readonly Node[]): Promise<Node[]> => {
  const roles = await Promise.all(nodes.map(roleOf))
  return nodes.filter((_, index) => roles[index] === 'master')
}

/**
 * Waits until each primary has a replica with all its data. An empty replica would be promoted too: more than one failure at a
 * time is more than the settings promise to survive.
 */
const untilComplete = (nodes: readonly Node[]) =>
  eventually(failoverMs, async () => {
    const roles = await Promise.all(nodes.map(roleOf))
    assert.deepEqual(roles.toSorted(), ['master', 'master', 'master', 'slave', 'slave', 'slave'])
    for (const { port } of await primariesOf(nodes))
      await onServer(port, async (client) => {
        assert.match(await client.info('replication'), /connected_slaves:1[^]*state=online/)
        assert.match(await client.sendCommand<string>(['CLUSTER', 'INFO']), /cluster_state:ok/)
      })
  })

/** Waits until one of the others is the third primary. */
const untilPromoted = (others: readonly Node[]) =>
  eventually(failoverMs, async () => assert.equal((await primariesOf(others)).length, 3))

const replicaOf = async (primary: Node, nodes: readonly Node[]): Promise<Node> => {
  const replication = await onServer(primary.port, (client) => client.info('replication'))
  const port = Number(/^slave0:.*port=(\d+)/m.exec(replication)?.[1])
  const replica = nodes.find((node) => node.port === port)
  assert.ok(replica)
  return replica
}

const setCredentials = ({ port }: Node, user: string, password: string) =>
  onServer(port, async (client) => {
    await client.configSet('masteruser', user)
    await client.configSet('masterauth', password)
  })

/** Cuts the connection between a primary and its replica. Returns a function that lets them connect again. */
const cutOff = async (primary: Node, replica: Node): Promise<() => Promise<void>> => {
  await setCredentials(replica, 'nobody', 'wrong')
  await onServer(primary.port, (client) => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica']))
  return () => setCredentials(replica, '', '')
}

type Fail = (primary: Node, nodes: readonly Node[], random: Random) => Promise<() => Promise<void> | void>

const kill: Fail = async (primary) => {
  await primary.kill()
  return () => primary.restart()
}

const pause: Fail = async (primary) => {
  primary.suspend()
  return () => primary.resume()
}

/** What is written after the cut is not confirmed. Reads see it, and then it is lost. */
const cutOffAndKill: Fail = async (primary, nodes, random) => {
  const reconnect = await cutOff(primary, await replicaOf(primary, nodes))
  await delay(random.between(50, 600))
  await primary.kill()
  return async () => {
    await reconnect()
    primary.restart()
  }
}

/** The faults of the primaries. `onFailover` is called when a replica takes over. */
const primaryFaults = (nodes: readonly Node[], onFailover: () => void): readonly Fault[] => {
  const failover = (kind: string, fail: Fail): Fault => ({
    kind,
    run: async (random) => {
      const primary = random.pick(await primariesOf(nodes))
      onFailover()
      const undo = await fail(primary, nodes, random)
      try {
        await untilPromoted(nodes.filter((node) => node !== primary))
      } finally {
        await undo()
      }
      await untilComplete(nodes)
    },
  })
  const stall: Fault = {
    kind: 'primary paused, no failover',
    run: async (random) => {
      const primary = random.pick(await primariesOf(nodes))
      primary.suspend()
      await delay(random.between(100, 700))
      primary.resume()
      await untilComplete(nodes)
    },
  }
  return [
    failover('primary killed', kill),
    failover('primary cut off from its replica, then killed', cutOffAndKill),
    failover('primary paused', pause),
    stall,
  ]
}

/** Starts a cluster whose primaries fail. */
export const startCluster = async (): Promise<Store> => {
  const cluster = await startOwnCluster()
  await cluster.allowFailover()
  let failovers = 0
  const environment = { ...cluster.variables, BASKET_WAIT_REPLICAS: '1' }
  return {
    environments: [environment, environment],
    faults: primaryFaults(cluster.nodes, () => (failovers += 1)),
    failovers: () => failovers,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}
