import { readFileSync } from 'node:fs'
import { createClient, ErrorReply, type RedisClientType } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import { withDeadline } from '@shop/platform/deadline.ts'
import type { Logger } from '@shop/platform/logger.ts'
import type { BasketConfig } from '../config.ts'
import { answers, commandTimeoutMs } from './redis-answers.ts'

const maxReconnectDelayMs = 500
const maxQueuedCommands = 10_000
/** How long a connection to a replica is kept at least, lest every write made another one. */
const minConnectionMs = 1_000

/** What it sends first it sends at once, when it is called. */
export type Command<Reply> = (client: RedisClientType) => Promise<Reply>

export type Connections = Readonly<{ used: number; max: number }>

/** A Redis, be it one server or a cluster. Every method may reject with `unavailable`, and does so at once while it is down. */
export type RedisConnection = AsyncDisposable &
  Readonly<{
    /** Runs the command on the server that has the key; again on another one when the key has moved. */
    at: <Reply>(key: string, command: Command<Reply>) => Promise<Reply>
    /** Runs the command on every server that takes writes. */
    everywhere: <Reply>(command: Command<Reply>) => Promise<Reply[]>
    /** Rejects unless commands on any key can be answered. */
    ping: () => Promise<unknown>
    connections: () => Connections
  }>

export type RedisConfig = Pick<BasketConfig, Extract<keyof BasketConfig, `REDIS_${string}`>>

/** How long until the next attempt to connect: longer each time, and not the same for all who have lost the server. */
const reconnectDelay = (retries: number): number =>
  Math.min(50 * 2 ** retries, maxReconnectDelayMs) * (0.5 + Math.random() / 2)

/** What holds for every connection: nothing queues up while there is none, and it comes back by itself. */
export const clientOptions = (config: RedisConfig) => ({
  name: 'basket-service',
  ...(config.REDIS_USERNAME !== undefined && { username: config.REDIS_USERNAME }),
  ...(config.REDIS_PASSWORD !== undefined && { password: config.REDIS_PASSWORD }),
  socket: {
    connectTimeout: 2_000,
    // Against a server that hangs: the pings keep a healthy connection from being idle for so long.
    socketTimeout: 5_000,
    reconnectStrategy: reconnectDelay,
    ...(config.REDIS_TLS === 'on' && { tls: true as const }),
    ...(config.REDIS_TLS_CA !== undefined && { ca: readFileSync(config.REDIS_TLS_CA) }),
  },
  pingInterval: 1_000,
  disableOfflineQueue: true,
  // A command has a deadline of ours. The library's own keeps something of each for five seconds.
  commandOptions: { timeout: 0 },
  commandsQueueMaxLength: maxQueuedCommands,
  // Both would send commands that only newer servers know.
  disableClientInfo: true,
  maintNotifications: 'disabled' as const,
})

const refusesCredentials = /^(WRONGPASS|NOAUTH|NOPERM)\b/

/** Logs an outage once, a refusal of the credentials too if there is one, and the end. */
export const outageLog = (logger: Logger) => {
  const said = new Set<string>()
  return {
    failed: (error: unknown) => {
      const refused = error instanceof ErrorReply && refusesCredentials.test(error.message)
      const what = refused ? 'Redis refuses the user or the password' : 'Redis cannot be reached'
      if (!said.has(what)) logger[refused ? 'error' : 'warn']({ err: error }, `${what}; trying again`)
      said.add(what)
    },
    over: () => {
      said.clear()
      logger.info('connected to Redis')
    },
  }
}

const addressOf = ({
  REDIS_URL: url,
  REDIS_HOST: host = 'localhost',
  REDIS_PORT: port,
  REDIS_DB,
}: RedisConfig) => (url === undefined ? { socket: { host, port }, database: REDIS_DB } : { url, socket: {} })

/** How a server that has become a replica refuses a write. Its name may lead to the new primary by now. */
const isDemotion = (error: unknown) =>
  error instanceof AppError && error.cause instanceof ErrorReply && error.cause.message.startsWith('READONLY')

/** Connects in the background, and anew whenever the connection is lost, or leads to what is no primary any more. */
export const openServer = (config: RedisConfig, logger: Logger): RedisConnection => {
  const { socket: address, ...where } = addressOf(config)
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

  const answerTo = answers()
  const run = async <Reply>(command: Command<Reply>) => {
    try {
      return await answerTo(() => command(client))
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
