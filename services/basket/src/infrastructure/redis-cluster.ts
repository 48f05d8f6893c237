import { ErrorReply } from '@redis/client'
import { withDeadline } from '@shop/platform/deadline.ts'
import type { Logger } from '@shop/platform/logger.ts'
import { answers, cannotAnswer, commandTimeoutMs, notInTime } from './redis-answers.ts'
import type { Command, RedisConfig, RedisConnection } from './redis-connection.ts'
import { type ClusterNode, openTopology } from './redis-topology.ts'

const maxRedirections = 5

/** Where a server sends a command that it does not run itself: from now on (MOVED), or this time (ASK). */
const redirectionOf = (error: unknown) => {
  const match = error instanceof ErrorReply ? /^(MOVED|ASK) \d+ (.+)$/.exec(error.message) : null
  return match && { kind: match[1], address: match[2] ?? '' }
}

/** Runs commands on the connection to a node. One that does not answer holds up its own keys, and no others. */
const nodeCommands = () => {
  const answersOf = new WeakMap<ClusterNode, ReturnType<typeof answers>>()
  return async <Reply>(node: ClusterNode | undefined, command: Command<Reply>): Promise<Reply> => {
    const client = node?.client
    if (!node || !client?.isReady) throw cannotAnswer()
    const answerTo = answersOf.get(node) ?? answers()
    answersOf.set(node, answerTo)
    return answerTo(() => command(client))
  }
}

/** A node that sees no majority of the others answers to PING, but to nothing else. */
const serve: Command<void> = async (client) => {
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

/** Connects in the background, and anew whenever connections are lost or the primaries change. */
export const openCluster = (config: RedisConfig, logger: Logger): RedisConnection => {
  const topology = openTopology(config, logger)
  const run = nodeCommands()

  const route = async <Reply>(key: string, command: Command<Reply>): Promise<Reply> => {
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
  const everywhere = async <Reply>(command: Command<Reply>) => {
    const primaries = topology.primaries()
    if (!primaries) throw cannotAnswer()
    return Promise.all(primaries.map((node) => run(node, command)))
  }

  return {
    at: (key, command) => withDeadline(commandTimeoutMs, notInTime, route(key, command)),
    everywhere,
    ping: () => everywhere(serve),
    connections: topology.connections,
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  }
}
