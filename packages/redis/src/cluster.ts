import { ErrorReply } from '@redis/client'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { commandGuard, commandTimeoutMs, type Refusals, refusalsOf } from './command-guard.ts'
import type { Command, RedisAddress, RedisConfig, RedisConnection } from './connection.ts'
import { type ClusterNode, openTopology, type Topology } from './topology.ts'

const maxRedirections = 5

/** Where a server sends a command that it does not run itself: from now on (MOVED), or this time (ASK). */
const redirectionOf = (error: unknown) => {
  const match = error instanceof ErrorReply ? /^(MOVED|ASK) \d+ (.+)$/.exec(error.message) : null
  return match && { kind: match[1], address: match[2] ?? '' }
}

/** Runs commands on the connection to a node. One that does not answer holds up its own keys, and no others. */
const nodeCommands = (refusals: Refusals) => {
  const guards = new WeakMap<ClusterNode, ReturnType<typeof commandGuard>>()
  return async <Reply>(node: ClusterNode | undefined, command: Command<Reply>): Promise<Reply> => {
    const client = node?.client
    if (!node || !client?.isReady) throw refusals.cannotAnswer()
    const guarded = guards.get(node) ?? commandGuard(refusals)
    guards.set(node, guarded)
    return guarded(() => command(client))
  }
}

/** A node that sees no majority of the others answers to PING, but to nothing else. */
const serve =
  ({ cannotAnswer }: Refusals): Command<void> =>
  async (client) => {
    const [, info] = await Promise.all([client.ping(), client.clusterInfo()])
    if (!info.includes('cluster_state:ok')) throw cannotAnswer()
  }

/** As the answer to ASK wants it: the next command on the connection, and no other, is to be run by a node that does not own the key yet. */
const asked =
  <Reply>(command: Command<Reply>): Command<Reply> =>
  async (client) => {
    const [, reply] = await Promise.all([client.sendCommand(['ASKING']), command(client)])
    return reply
  }

/** Follows where the servers send a command, a few times. */
const routed = (topology: Topology, run: ReturnType<typeof nodeCommands>, { cannotAnswer }: Refusals) => {
  return async <Reply>(key: string, command: Command<Reply>): Promise<Reply> => {
    let node = topology.primaryOf(key)
    let asking = false
    for (let left = maxRedirections; ; left--) {
      try {
        return await run(node, asking ? asked(command) : command)
      } catch (error) {
        const redirection = redirectionOf(error)
        if (!redirection) throw error
        if (left === 0) throw cannotAnswer(error)
        asking = redirection.kind === 'ASK'
        if (!asking) await topology.follow(key).catch((cause) => Promise.reject(cannotAnswer(cause)))
        node = asking ? topology.nodeAt(redirection.address) : topology.primaryOf(key)
      }
    }
  }
}

/** Connects in the background, and anew whenever connections are lost or the primaries change. */
export const openCluster = (
  nodes: readonly RedisAddress[],
  config: RedisConfig,
  logger: Logger,
): RedisConnection => {
  const refusals = refusalsOf(config.storeName)
  const topology = openTopology(nodes, config, logger)
  const run = nodeCommands(refusals)
  const route = routed(topology, run, refusals)
  const everywhere = async <Reply>(command: Command<Reply>) => {
    const primaries = topology.primaries()
    if (!primaries) throw refusals.cannotAnswer()
    return Promise.all(primaries.map((node) => run(node, command)))
  }

  return {
    at: (key, command) => withDeadline(commandTimeoutMs, refusals.timedOut, route(key, command)),
    everywhere,
    ping: () => everywhere(serve(refusals)),
    connections: topology.connections,
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  }
}
