import { every, pause } from '@shop/platform/resilience/every.ts'
import {
  type Cluster,
  type ClusterNode,
  close,
  connectNewPrimaries,
  createCurrentCluster,
  isCovered,
  primaryAddresses,
  primaryOfEachSlot,
} from './cluster-client.ts'
import type { OutageLog, RedisAddress, RedisConfig } from './connection.ts'
import { keyOfEach, keySlot } from './key-slot.ts'

/** The pause between two discoveries while a primary is missing or does not respond: 250 to 500 ms. */
const discoveryPause = () => 500 * (0.5 + Math.random() / 2)

type Options = Readonly<{
  /** The nodes that the configuration names. */
  configured: readonly RedisAddress[]
  config: RedisConfig
  outageLog: OutageLog
  /** The nodes with a command that is overdue. */
  overdue: ReadonlySet<ClusterNode>
  /** Called with the new primaries when they have changed, unless these were known from `refresh`. */
  onChange: (primaries: readonly RedisAddress[]) => void
}>

/** Returns the current topology, and a function that discovers it again. */
const createDiscovery = (
  { configured, config, outageLog, overdue, onChange }: Options,
  stopping: AbortSignal,
) => {
  const { current, checkComplete, ask, replace } = createCurrentCluster(configured, config, outageLog)

  /** The primaries that respond. None while slots are missing, because all may belong to another cluster. */
  const responding = () =>
    isCovered(current()) ? current().masters.filter((node) => node.client?.isReady && !overdue.has(node)) : []

  /** Replaces the topology, unless nothing has changed or only the old one covers all slots. */
  const adopt = async (next: Cluster, isNews: boolean) => {
    const isBetter =
      primaryAddresses(next) !== primaryAddresses(current()) && (isCovered(next) || !isCovered(current()))
    if (!isBetter) return close(next)
    if (isNews) onChange(next.masters)
    await connectNewPrimaries(next)
    await (stopping.aborted ? close(next) : replace(next))
  }

  return {
    current,
    checkComplete,
    /** Whether every primary is connected and responds. */
    isHealthy: () => checkComplete() && !current().masters.some((node) => overdue.has(node)),
    /** Asks the known primaries first, if there are any. A node that does not respond takes a second. */
    discover: async (known: readonly RedisAddress[]) => {
      const isNews = known.length === 0 && isCovered(current())
      const next =
        (await ask(known)) ??
        (await ask(responding())) ??
        // The configured nodes may all be gone by now.
        (await ask([...configured, ...current().masters]))
      if (next) await adopt(next, isNews)
    },
  }
}

/** Discovers the topology while a primary does not respond, and when `refresh` is called. */
const keepUpToDate = (
  { current, checkComplete, isHealthy, discover }: ReturnType<typeof createDiscovery>,
  stopping: AbortSignal,
) => {
  let known: readonly RedisAddress[] = []
  /** Aborted to end the pause. The pause after a discovery does not end early. */
  let idle = new AbortController()

  const maintain = async () => {
    const isStale = idle.signal.aborted || !isHealthy()
    const asked = known
    idle = new AbortController()
    if (isStale) await discover(asked)
    if (known === asked) known = []
    await connectNewPrimaries(current())
    checkComplete()
    await pause(discoveryPause(), isStale ? stopping : idle.signal)
  }
  every(0, maintain, stopping).catch((error: unknown) => {
    if (!stopping.aborted) throw error
  })
  return {
    refresh: (primaries: readonly RedisAddress[] = known) => {
      known = primaries
      idle.abort()
    },
    /** Whether the node is not among the known primaries, which are about to be asked. */
    isReplaced: ({ host, port }: RedisAddress) =>
      known.length > 0 && !known.some((node) => node.host === host && node.port === port),
  }
}

/** The primaries of a cluster with a connection to each, kept up to date in the background. */
export const openTopology = (options: Options) => {
  const stopping = new AbortController()
  const discovery = createDiscovery(options, stopping.signal)
  const { current } = discovery
  const { refresh, isReplaced } = keepUpToDate(discovery, stopping.signal)

  return {
    /** The primary that owns the key, according to the known topology; undefined if it is known to be replaced. */
    primaryOf: (key: string): ClusterNode | undefined => {
      const primary = current().slots[keySlot(key)]?.master
      return primary && !isReplaced(primary) ? primary : undefined
    },
    nodeAt: (address: string): ClusterNode | undefined => current().nodeByAddress.get(address),
    /** All primaries, or undefined while a slot has none. */
    primaries: (): readonly ClusterNode[] | undefined =>
      isCovered(current()) ? current().masters : undefined,
    /** A key with this prefix on each primary, or undefined while a slot has none. */
    keyOnEach: (prefix: string): readonly string[] | undefined =>
      isCovered(current()) ? keyOfEach(primaryOfEachSlot(current()), prefix) : undefined,
    /** Finds the new owner of a key that has moved: the client reads the key, follows MOVED and refreshes its slots. */
    locate: (key: string): Promise<unknown> => current().get(key),
    /**
     * Discovers the topology at once, or after the pause if it has just been discovered. `primaries` are those that
     * another connection has discovered.
     */
    refresh,
    connections: () => ({
      used: current().masters.filter(({ client }) => client?.isReady).length,
      max: current().masters.length,
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      refresh()
      await close(current())
    },
  }
}

export type Topology = ReturnType<typeof openTopology>
