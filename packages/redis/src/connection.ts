import { readFileSync } from 'node:fs'
import { ErrorReply, type RedisClientType } from '@redis/client'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'

const maxQueuedCommands = 10_000

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

export type RedisAddress = Readonly<{ host: string; port: number }>

export type RedisConfig = Readonly<{
  /** How the servers list the connections. */
  clientName: string
  /** What callers know the store by, in the texts of errors. */
  storeName: string
  /** A server, or some nodes of a cluster. */
  target:
    | Readonly<{ url: string }>
    | (RedisAddress & Readonly<{ database: number }>)
    | Readonly<{ nodes: readonly RedisAddress[] }>
  username: string | undefined
  password: string | undefined
  tls: boolean
  /** The path of a PEM file with the authority that servers' certificates are to be of. */
  certificateAuthority: string | undefined
  /** How many replicas are to have a write before it is acknowledged. */
  waitReplicas: number
}>

/** How long until the next attempt to connect: longer each time, and not the same for all who have lost the server. */
const reconnectDelay = (retries: number): number => backoff(retries, { first: 50, last: 500, jitter: 0.5 })

/** What holds for every connection: nothing queues up while there is none, and it comes back by itself. */
export const clientOptions = (config: RedisConfig) => ({
  name: config.clientName,
  ...(config.username !== undefined && { username: config.username }),
  ...(config.password !== undefined && { password: config.password }),
  socket: {
    connectTimeout: 2_000,
    // Against a server that hangs: the pings keep a healthy connection from being idle for so long.
    socketTimeout: 5_000,
    reconnectStrategy: reconnectDelay,
    ...(config.tls && { tls: true as const }),
    ...(config.certificateAuthority !== undefined && { ca: readFileSync(config.certificateAuthority) }),
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
