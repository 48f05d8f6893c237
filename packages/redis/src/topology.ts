import { createCluster } from '@redis/client'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { every } from '@shop/platform/resilience/every.ts'
import { commandTimeoutMs } from './command-guard.ts'
import { clientOptions, outageLog, type RedisAddress, type RedisConfig } from './connection.ts'
import { keySlot } from './key-slot.ts'

/** A node that hangs is not asked for longer who the primaries are. */
const askTimeoutMs = 1_000

/** How often, while a primary is missing. */
const lookIntervalMs = 500

/** The `addresses` are those of nodes that are asked, one after the other, who the primaries are. */
const createNodes = (addresses: readonly RedisAddress[], defaults: ReturnType<typeof clientOptions>) =>
  createCluster({
    rootNodes: addresses.map(({ host, port }) => ({
      socket: { host, port, connectTimeout: askTimeoutMs, socketTimeout: askTimeoutMs },
    })),
    defaults,
    // Without this, `connect()` waits for every primary, so one dead node blocks discovery.
    minimizeConnections: true,
    // What the library does by itself does not help with a primary that was never reached.
    topologyRefreshOnReconnectionAttemptStrategy: false,
  })

type Cluster = ReturnType<typeof createNodes>
export type ClusterNode = Cluster['masters'][number]

/** That every slot has a primary. */
const isCovered = ({ slots }: Cluster) => slots.findIndex((shard) => shard === undefined) < 0
const isWhole = (cluster: Cluster) =>
  isCovered(cluster) && cluster.masters.every(({ client }) => client?.isReady)

const addressesOf = ({ slots }: Cluster) => Array.from(slots, (shard) => shard?.master.address).join()

/** Connects to the primaries that are new. It waits for them a moment: they are there, or else come later. */
const connectToNew = (cluster: Cluster) =>
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
    await withDeadline(commandTimeoutMs, 'Redis did not close', cluster.close()).catch(() => {})
  for (const client of clients) client.destroy()
}

/** What is known of the cluster, and the search for what has changed. */
const watchPrimaries = (
  named: readonly RedisAddress[],
  config: RedisConfig,
  logger: Logger,
  stopping: AbortSignal,
) => {
  const outage = outageLog(logger)
  const options = clientOptions(config)
  let current = createNodes(named, options)
  let whole = false

  const check = () => {
    const before = whole
    whole = isWhole(current)
    if (whole && !before) outage.over()
    return whole
  }

  /** Asks anew who the primaries are. When they have changed, what it learned takes the place of what was known. */
  const look = async () => {
    // Those that the configuration names may all be gone by now.
    const next = createNodes([...named, ...current.masters], options)
    for (const event of ['error', 'node-error'])
      next.on(event, (error) => {
        if (!check()) outage.failed(error)
      })
    next.on('node-ready', check)
    let superseded = next
    if (await next.connect().catch(() => undefined)) {
      const better = addressesOf(next) !== addressesOf(current) && (isCovered(next) || !isCovered(current))
      if (better) await connectToNew(next)
      if (better && !stopping.aborted) [superseded, current] = [current, next]
    }
    await close(superseded)
  }
  return { current: () => current, check, look }
}

/** Who the primaries of a cluster are, with a connection to each, kept up to date in the background. */
export const openTopology = (named: readonly RedisAddress[], config: RedisConfig, logger: Logger) => {
  const stopping = new AbortController()
  const { current, check, look } = watchPrimaries(named, config, logger, stopping.signal)

  const keepUp = async () => {
    if (!check()) await look()
    await connectToNew(current())
    check()
  }
  every(() => lookIntervalMs * (0.5 + Math.random() / 2), keepUp, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error
  })

  return {
    /** The one that has the key, as far as is known. */
    primaryOf: (key: string): ClusterNode | undefined => current().slots[keySlot(key)]?.master,
    nodeAt: (address: string): ClusterNode | undefined => current().nodeByAddress.get(address),
    /** All of them, or undefined when there are keys that have none. */
    primaries: (): readonly ClusterNode[] | undefined =>
      isCovered(current()) ? current().masters : undefined,
    /** Follows the key to where it has moved, and so learns who has it. */
    follow: (key: string): Promise<unknown> => current().get(key),
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
