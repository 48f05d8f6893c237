import { ErrorReply } from '@redis/client'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import type { ClusterNode } from './cluster-client.ts'
import { commandTimeoutMs, createCommandGuard, type StoreErrors, storeErrors } from './command-guard.ts'
import {
  type Command,
  type OutageLog,
  pingServer,
  type RedisAddress,
  type RedisConfig,
  type RedisConnection,
} from './connection.ts'
import { openTopology, type Topology } from './topology.ts'

const maxRedirections = 5

/** Parses a redirection to another node. MOVED is permanent; ASK is for this command only. */
const redirectionOf = (error: unknown) => {
  const match = error instanceof ErrorReply ? /^(MOVED|ASK) \d+ (.+)$/.exec(error.message) : null
  return match && { kind: match[1], address: match[2] ?? '' }
}

/**
 * Returns a function that runs a command on a node. Each node has its own guard, so a hung node blocks only its own keys.
 * While a command is overdue, its node is in `overdue`; `onOverdue` is called when it gets there.
 */
const createNodeRunner = (errors: StoreErrors, overdue: Set<ClusterNode>, onOverdue: () => void) => {
  const guards = new WeakMap<ClusterNode, ReturnType<typeof createCommandGuard>>()
  const createGuard = (node: ClusterNode) =>
    createCommandGuard(errors, {
      onOverdue: (isOverdue) => {
        overdue[isOverdue ? 'add' : 'delete'](node)
        if (isOverdue) onOverdue()
      },
    })
  return async <Reply>(node: ClusterNode | undefined, command: Command<Reply>): Promise<Reply> => {
    const client = node?.client
    if (!node || !client?.isReady) throw errors.unavailable()
    const guard = guards.get(node) ?? createGuard(node)
    guards.set(node, guard)
    return guard(() => command(client))
  }
}

/**
 * Checks that a node serves its keys. PING is not enough: a node that cannot reach the majority of the cluster replies to
 * it, but refuses other commands.
 */
const checkServing =
  ({ unavailable }: StoreErrors): Command<void> =>
  async (client) => {
    const [, info] = await Promise.all([pingServer(client), client.clusterInfo()])
    if (!info.includes('cluster_state:ok')) throw unavailable()
  }

/** Sends ASKING first. It lets the next command on the connection use a slot that the node is still importing. */
const withAsking =
  <Reply>(command: Command<Reply>): Command<Reply> =>
  async (client) => {
    const [, reply] = await Promise.all([client.sendCommand(['ASKING']), command(client)])
    return reply
  }

/** Returns a function that runs a command where its redirection leads, and where further ones do. */
const createFollower = (
  topology: Topology,
  runOnNode: ReturnType<typeof createNodeRunner>,
  { unavailable }: StoreErrors,
) => {
  return async <Reply>(key: string, command: Command<Reply>, redirected: unknown): Promise<Reply> => {
    let error = redirected
    for (let left = maxRedirections; left > 0; left--) {
      const redirection = redirectionOf(error)
      if (!redirection) throw error
      const asking = redirection.kind === 'ASK'
      if (!asking) await topology.locate(key).catch((cause) => Promise.reject(unavailable(cause)))
      const node = asking ? topology.nodeAt(redirection.address) : topology.primaryOf(key)
      try {
        return await runOnNode(node, asking ? withAsking(command) : command)
      } catch (next) {
        error = next
      }
    }
    throw redirectionOf(error) ? unavailable(error) : error
  }
}

/** Returns a function that runs a command on the primary that owns the key. With redirections, it takes no longer. */
const createRouter = (
  topology: Topology,
  runOnNode: ReturnType<typeof createNodeRunner>,
  errors: StoreErrors,
) => {
  const follow = createFollower(topology, runOnNode, errors)
  return async <Reply>(key: string, command: Command<Reply>): Promise<Reply> => {
    const started = performance.now()
    try {
      return await runOnNode(topology.primaryOf(key), command)
    } catch (error) {
      if (!redirectionOf(error)) throw error
      const leftMs = commandTimeoutMs - (performance.now() - started)
      return withDeadline(leftMs, errors.timeoutMessage, follow(key, command, error))
    }
  }
}

/**
 * Connects in the background, and reconnects when a connection is lost or the primaries change. If the primaries have
 * changed, it also calls `onChange` with the new ones.
 */
export const openCluster = (
  configured: readonly RedisAddress[],
  config: RedisConfig,
  outageLog: OutageLog,
  onChange: (primaries: readonly RedisAddress[]) => void,
): RedisConnection => {
  const errors = storeErrors(config.storeName)
  const overdue = new Set<ClusterNode>()
  const topology = openTopology({ configured, config, outageLog, overdue, onChange })
  const runOnNode = createNodeRunner(errors, overdue, topology.refresh)
  const runOnAll = async <Reply>(command: Command<Reply>) => {
    const primaries = topology.primaries()
    if (!primaries) throw errors.unavailable()
    return Promise.all(primaries.map((node) => runOnNode(node, command)))
  }

  return {
    run: createRouter(topology, runOnNode, errors),
    runOnAll,
    ping: () => runOnAll(checkServing(errors)),
    keyOnEach: (prefix) => {
      const keys = topology.keyOnEach(prefix)
      if (!keys) throw errors.unavailable()
      return keys
    },
    findPrimaries: topology.refresh,
    connections: topology.connections,
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  }
}
