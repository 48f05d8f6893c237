import { createCluster } from '@redis/client'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { commandTimeoutMs } from './command-guard.ts'
import { clientOptions, type OutageLog, type RedisAddress, type RedisConfig } from './connection.ts'

/** Timeout for asking one node for the topology. After it, the next node is asked. */
const discoveryTimeoutMs = 1_000

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

export type Cluster = ReturnType<typeof createClusterClient>
export type ClusterNode = Cluster['masters'][number]

/** Whether every slot has a primary. */
export const isCovered = ({ slots }: Cluster) => slots.findIndex((shard) => shard === undefined) < 0
const isComplete = (cluster: Cluster) =>
  isCovered(cluster) && cluster.masters.every(({ client }) => client?.isReady)

export const primaryAddresses = ({ slots }: Cluster) =>
  Array.from(slots, (shard) => shard?.master.address).join()

export const primaryOfEachSlot = ({ slots }: Cluster) => slots.map(({ master }) => master)

/** Connects to new primaries. Waits for each only briefly; a slower connection completes in the background. */
export const connectNewPrimaries = (cluster: Cluster) =>
  Promise.all(
    cluster.masters
      .filter(({ client }) => client === undefined)
      .map((node) =>
        withDeadline(commandTimeoutMs, 'not connected yet', cluster.nodeClient(node)).catch(() => {}),
      ),
  )

export const close = async (cluster: Cluster) => {
  const clients = cluster.masters.flatMap(({ client }) => client ?? [])
  if (cluster.isOpen)
    await withDeadline(commandTimeoutMs, 'Redis connections did not close in time', cluster.close()).catch(
      () => {},
    )
  for (const client of clients) client.destroy()
}

/**
 * Holds the client of the current topology. Logs when one of its connections is lost, and when all primaries are
 * connected again.
 */
export const createCurrentCluster = (
  configured: readonly RedisAddress[],
  config: RedisConfig,
  outageLog: OutageLog,
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
  return {
    current: () => current,
    /** Whether every slot has a primary and all of them are connected. */
    checkComplete,
    /**
     * Asks the nodes for the topology, one after the other, beginning with a random one. Resolves with undefined if none
     * responds.
     */
    ask: (nodes: readonly RedisAddress[]): Promise<Cluster | undefined> => {
      const cluster = createClusterClient(nodes, options)
      for (const event of ['error', 'node-error'])
        cluster.on(event, (error) => {
          if (!checkComplete()) outageLog.logFailure(error)
        })
      cluster.on('node-ready', checkComplete)
      return cluster.connect().catch(() => undefined)
    },
    replace: (next: Cluster): Promise<void> => {
      const previous = current
      current = next
      return close(previous)
    },
  }
}
