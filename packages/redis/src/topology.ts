import { createCluster } from '@redis/client'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { every } from '@shop/platform/resilience/every.ts'
import { commandTimeoutMs } from './command-guard.ts'
import { clientOptions, type OutageLog, type RedisAddress, type RedisConfig } from './connection.ts'
import { keyOfEach, keySlot } from './key-slot.ts'

/** Timeout for asking one node for the topology. After it, the next node is asked. */
const discoveryTimeoutMs = 1_000

/** The pause between two discoveries while a primary is missing: 250 to 500 ms. */
const discoveryPause = () => 500 * (0.5 + Math.random() / 2)

/** The client's own routing is not used: see docs/decisions/0016-own-routing-in-redis-cluster.md. */
const createClusterClient = (
  addresses: readonly RedisAddress[],
  defaults: ReturnType<typeof clientOptions>,
) =>
  createCluster({
    // The nodes that are asked for the topology, one after the other.
    rootNodes: addresses.map(({ host, port }) => ({
      socket: { host, port, connectTimeout: discoveryTimeoutMs, socketTimeout: discoveryTimeoutMs },
    })),
    defaults,
    // Without this, `connect()` waits for every primary, so one dead node blocks discovery.
    minimizeConnections: true,
    // The client refreshes only after a connection is lost, which does not help with a primary that was never reached.
    topologyRefreshOnReconnectionAttemptStrategy: false,
  })

type Cluster = ReturnType<typeof createClusterClient>
export type ClusterNode = Cluster['masters'][number]

/** Whether every slot has a primary. */
const isCovered = ({ slots }: Cluster) => slots.findIndex((shard) => shard === undefined) < 0
const isComplete = (cluster: Cluster) =>
  isCovered(cluster) && cluster.masters.every(({ client }) => client?.isReady)

const primaryAddresses = ({ slots }: Cluster) => Array.from(slots, (shard) => shard?.master.address).join()

const primaryOfEachSlot = ({ slots }: Cluster) => slots.map(({ master }) => master)

/** Connects to new primaries. Waits for each only briefly; a slower connection completes in the background. */
const connectNewPrimaries = (cluster: Cluster) =>
  Promise.all(
    cluster.masters
      .filter(({ client }) => client === undefined)
      .map((node) =>
        withDeadline(commandTimeoutMs, 'not connected yet', cluster.nodeClient(node)).catch(() => {}),
      ),
  )

const close = async (cluster: Cluster) => {
  const clients = cluster.masters.flatMap(({ client }) => client ?? [])
  if (cluster.isOpen)
    await withDeadline(commandTimeoutMs, 'Redis connections did not close in time', cluster.close()).catch(
      () => {},
    )
  for (const client of clients) client.destroy()
}

/** Holds the current topology; `discover` replaces it. */
const createDiscovery = (
  configured: readonly RedisAddress[],
  config: RedisConfig,
  outageLog: OutageLog,
  stopping: AbortSignal,
) => {
  const options = clientOptions(config)
  let current = createClusterClient(configured, options)
  let complete = false

  const checkComplete = () => {
    const wasComplete = complete
    complete = isComplete(current)
    if (complete && !wasComplete) outageLog.logRecovery()
    return complete
  }

  /** Asks the nodes for the topology. Keeps the old one if nothing changed or if only the old one covers all slots. */
  const discover = async () => {
    // The known primaries are asked too, because the configured nodes may all be gone by now.
    const next = createClusterClient([...configured, ...current.masters], options)
    for (const event of ['error', 'node-error'])
      next.on(event, (error) => {
        if (!checkComplete()) outageLog.logFailure(error)
      })
    next.on('node-ready', checkComplete)
    let discarded = next
    if (await next.connect().catch(() => undefined)) {
      const isBetter =
        primaryAddresses(next) !== primaryAddresses(current) && (isCovered(next) || !isCovered(current))
      if (isBetter) await connectNewPrimaries(next)
      if (isBetter && !stopping.aborted) [discarded, current] = [current, next]
    }
    await close(discarded)
  }
  return { current: () => current, checkComplete, discover }
}

/** The primaries of a cluster with a connection to each, kept up to date in the background. */
export const openTopology = (
  configured: readonly RedisAddress[],
  config: RedisConfig,
  outageLog: OutageLog,
) => {
  const stopping = new AbortController()
  const { current, checkComplete, discover } = createDiscovery(configured, config, outageLog, stopping.signal)

  const maintain = async () => {
    if (!checkComplete()) await discover()
    await connectNewPrimaries(current())
    checkComplete()
  }
  every(discoveryPause, maintain, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error
  })

  return {
    /** The primary that owns the key, according to the known topology. */
    primaryOf: (key: string): ClusterNode | undefined => current().slots[keySlot(key)]?.master,
    nodeAt: (address: string): ClusterNode | undefined => current().nodeByAddress.get(address),
    /** All primaries, or undefined while a slot has none. */
    primaries: (): readonly ClusterNode[] | undefined =>
      isCovered(current()) ? current().masters : undefined,
    /** A key with this prefix on each primary, or undefined while a slot has none. */
    keyOnEach: (prefix: string): readonly string[] | undefined =>
      isCovered(current()) ? keyOfEach(primaryOfEachSlot(current()), prefix) : undefined,
    /** Finds the new owner of a key that has moved: the client reads the key, follows MOVED and refreshes its slots. */
    locate: (key: string): Promise<unknown> => current().get(key),
    connections: () => ({
      used: current().masters.filter(({ client }) => client?.isReady).length,
      max: current().masters.length,
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await close(current())
    },
  }
}

export type Topology = ReturnType<typeof openTopology>
