import { createClient } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { commandTimeoutMs, createCommandGuard, storeErrors } from './command-guard.ts'
import {
  type Command,
  clientOptions,
  type OutageLog,
  pingServer,
  type RedisConfig,
  type RedisConnection,
} from './connection.ts'
import { errorCodeOf, withoutArguments } from './error-reply.ts'

/** Minimum lifetime of a connection before a demotion drops it; otherwise every refused write would reconnect. */
const minConnectionMs = 1_000

/** One server, by URL or by address and database. */
type ServerTarget = Exclude<RedisConfig['target'], { nodes: unknown }>

const addressOf = (target: ServerTarget) => {
  if ('url' in target) return { url: target.url, socket: {} }
  const { host, port, database } = target
  return { socket: { host, port }, database }
}

/**
 * Whether a write was refused because the server is now a replica. Its host name may already resolve to the new primary.
 */
const isDemotion = (error: unknown) => error instanceof AppError && errorCodeOf(error.cause) === 'READONLY'

/** Creates a client that connects in the background. `reconnect` drops the current connection. */
const openClient = (target: ServerTarget, config: RedisConfig, logger: Logger, outageLog: OutageLog) => {
  const { socket: address, ...targetOptions } = addressOf(target)
  const { socket, ...options } = clientOptions(config)
  const client = createClient({ ...options, ...targetOptions, socket: { ...socket, ...address } })
  let connectedAt = 0
  let isClosing = false
  client.on('error', (error) => {
    // On a ready client the error is only an error reply to a ping.
    if (!client.isReady) outageLog.logFailure(error)
  })
  client.on('ready', () => {
    connectedAt = performance.now()
    outageLog.logRecovery()
  })
  const connect = () => {
    client.connect().catch((error: unknown) => {
      if (!isClosing) logger.error({ err: withoutArguments(error) }, 'Redis client stopped reconnecting')
    })
  }
  connect()
  const reconnect = () => {
    if (!client.isReady || performance.now() < connectedAt + minConnectionMs) return
    client.destroy()
    connect()
  }
  const close = async () => {
    isClosing = true
    if (client.isReady)
      await withDeadline(commandTimeoutMs, 'Redis connection did not close in time', client.close()).catch(
        () => {},
      )
    client.destroy()
  }
  return { client, reconnect, close }
}

/**
 * Connects in the background, and reconnects when the connection is lost or its server is no longer the primary. Then it
 * also calls `onDemotion`.
 */
export const connectToServer = (
  target: ServerTarget,
  config: RedisConfig,
  logger: Logger,
  outageLog: OutageLog,
  onDemotion: () => void,
): RedisConnection => {
  const { client, reconnect, close } = openClient(target, config, logger, outageLog)
  const onError = (error: unknown) => {
    if (!isDemotion(error)) return
    reconnect()
    onDemotion()
  }
  const guard = createCommandGuard(storeErrors(config.storeName), { onError })
  const run = <Reply>(command: Command<Reply>) => guard(() => command(client))
  return {
    run: (_key, command) => run(command),
    runOnAll: async (command) => [await run(command)],
    ping: () => run(pingServer),
    keyOnEach: (prefix) => [`${prefix}{0}`],
    findPrimaries: reconnect,
    connections: () => ({ used: client.isReady ? 1 : 0, max: 1 }),
    [Symbol.asyncDispose]: close,
  }
}
