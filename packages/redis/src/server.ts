import { createClient, ErrorReply } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { commandGuard, commandTimeoutMs, refusalsOf } from './command-guard.ts'
import {
  type Command,
  clientOptions,
  outageLog,
  type RedisConfig,
  type RedisConnection,
} from './connection.ts'

/** How long a connection to a replica is kept at least, lest every write made another one. */
const minConnectionMs = 1_000

/** One server: its URL, or where it is and which of its databases is meant. */
type ServerTarget = Exclude<RedisConfig['target'], { nodes: unknown }>

const addressOf = (target: ServerTarget) => {
  if ('url' in target) return { url: target.url, socket: {} }
  const { host, port, database } = target
  return { socket: { host, port }, database }
}

/** How a server that has become a replica refuses a write. Its name may lead to the new primary by now. */
const isDemotion = (error: unknown) =>
  error instanceof AppError && error.cause instanceof ErrorReply && error.cause.message.startsWith('READONLY')

/** A client that connects in the background, and anew when it is told to. */
const openClient = (target: ServerTarget, config: RedisConfig, logger: Logger) => {
  const { socket: address, ...where } = addressOf(target)
  const { socket, ...options } = clientOptions(config)
  const client = createClient({ ...options, ...where, socket: { ...socket, ...address } })
  const outage = outageLog(logger)
  let connectedAt = 0
  client.on('error', (error) => {
    // Else it is only the answer to a ping.
    if (!client.isReady) outage.failed(error)
  })
  client.on('ready', () => {
    connectedAt = performance.now()
    outage.over()
  })
  const connect = () => {
    client
      .connect()
      .catch((error: unknown) => logger.error({ err: error }, 'Redis is not connected any more'))
  }
  connect()
  const connectAnew = () => {
    if (!client.isReady || performance.now() < connectedAt + minConnectionMs) return
    client.destroy()
    connect()
  }
  return { client, connectAnew }
}

/** Connects in the background, and anew whenever the connection is lost, or leads to what is no primary any more. */
export const connectToServer = (
  target: ServerTarget,
  config: RedisConfig,
  logger: Logger,
): RedisConnection => {
  const { client, connectAnew } = openClient(target, config, logger)
  const guarded = commandGuard(refusalsOf(config.storeName))
  const run = async <Reply>(command: Command<Reply>) => {
    try {
      return await guarded(() => command(client))
    } catch (error) {
      if (isDemotion(error)) connectAnew()
      throw error
    }
  }
  return {
    at: (_key, command) => run(command),
    everywhere: async (command) => [await run(command)],
    ping: () => run(() => client.ping()),
    connections: () => ({ used: client.isReady ? 1 : 0, max: 1 }),
    [Symbol.asyncDispose]: async () => {
      if (client.isReady)
        await withDeadline(commandTimeoutMs, 'Redis did not close', client.close()).catch(() => {})
      client.destroy()
    },
  }
}
