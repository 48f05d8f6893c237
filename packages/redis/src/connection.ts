import { readFileSync } from 'node:fs'
import { ErrorReply, type RedisClientType } from '@redis/client'
import { expectedFailure } from '@shop/platform/failure.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { errorCodeOf, withoutArguments } from './error-reply.ts'

const maxQueuedCommands = 10_000

/** Must send its first Redis command synchronously, because cluster routing sends ASKING directly before it. */
export type Command<Reply> = (client: RedisClientType) => Promise<Reply>

export type Connections = Readonly<{ used: number; max: number }>

/** One server or a cluster. Commands may reject with `unavailable`, and do so at once while Redis is down. */
export type RedisConnection = AsyncDisposable &
  Readonly<{
    /** Runs the command on the server that owns the key, and again on the new owner if the key has moved. */
    run: <Reply>(key: string, command: Command<Reply>) => Promise<Reply>
    /** Runs the command on every primary. */
    runOnAll: <Reply>(command: Command<Reply>) => Promise<Reply[]>
    /** Rejects unless the server responds. In a cluster, every primary must respond and report a working cluster. */
    ping: () => Promise<unknown>
    /** A key with this prefix on each primary. Throws `unavailable` while a primary is missing. */
    keyOnEach: (prefix: string) => readonly string[]
    /**
     * Looks for the primaries again: drops the connection to a single server, which may no longer be the primary, or
     * discovers the topology of a cluster. `known` are the primaries that another connection has discovered.
     */
    findPrimaries: (known?: readonly RedisAddress[]) => void
    connections: () => Connections
  }>

export type RedisAddress = Readonly<{ host: string; port: number }>

export type RedisConfig = Readonly<{
  /** The connection name that CLIENT LIST shows. */
  clientName: string
  /** The store's name in error messages to callers. */
  storeName: string
  /** One server, or some nodes of a cluster, from which the other nodes are discovered. */
  target:
    | Readonly<{ url: string }>
    | (RedisAddress & Readonly<{ database: number }>)
    | Readonly<{ nodes: readonly RedisAddress[] }>
  username: string | undefined
  password: string | undefined
  tls: boolean
  /** The path of a PEM file with the certificate authority of the servers. */
  certificateAuthority: string | undefined
  /** The number of replicas that must have a write before it is acknowledged. */
  waitReplicas: number
}>

/**
 * The delay before the next connection attempt. It grows, and has jitter so that clients do not all reconnect at once.
 */
const reconnectDelay = (retries: number): number => backoff(retries, { first: 50, last: 500, jitter: 0.5 })

/** Options of every client. It reconnects by itself, and while it is disconnected, commands fail instead of queueing. */
export const clientOptions = (config: RedisConfig) => ({
  name: config.clientName,
  ...(config.username !== undefined && { username: config.username }),
  ...(config.password !== undefined && { password: config.password }),
  socket: {
    connectTimeout: 2_000,
    // Detects a hung server. Pings keep a healthy connection from being idle this long.
    socketTimeout: 5_000,
    reconnectStrategy: reconnectDelay,
    ...(config.tls && { tls: true as const }),
    ...(config.certificateAuthority !== undefined && { ca: readFileSync(config.certificateAuthority) }),
  },
  pingInterval: 1_000,
  disableOfflineQueue: true,
  // The command guard has a deadline of its own. The library's timeout retains memory for each command for five seconds.
  commandOptions: { timeout: 0 },
  commandsQueueMaxLength: maxQueuedCommands,
  // Both options would send commands that only newer servers support.
  disableClientInfo: true,
  maintNotifications: 'disabled' as const,
})

/** Sends PING. A server that cannot save its data to disk refuses that too (MISCONF), but it responds and serves reads. */
export const pingServer: Command<void> = async (client) => {
  await client.ping().catch((error: unknown) => {
    if (errorCodeOf(error) !== 'MISCONF') throw error
  })
}

const refusesCredentials = /^(WRONGPASS|NOAUTH|NOPERM)\b/

const distrustsCertificate = (error: unknown) =>
  error instanceof Error && 'code' in error && /CERT|SIGNATURE/.test(String(error.code))

export type OutageLog = Readonly<{ logFailure: (error: unknown) => void; logRecovery: () => void }>

/** The level and the message of a failure to connect. Redis may respond and refuse, such as a database that does not exist. */
const connectFailureOf = (error: unknown) => {
  if (error instanceof ErrorReply)
    return refusesCredentials.test(error.message)
      ? (['error', 'Redis rejected the credentials, retrying'] as const)
      : (['error', `Redis refused the connection (${error.message}), retrying`] as const)
  return distrustsCertificate(error)
    ? (['error', 'the certificate of Redis is not trusted, retrying'] as const)
    : (['warn', 'Redis is unreachable, retrying'] as const)
}

/**
 * Returns a function that returns the log of one connection. Each kind of failure (unreachable, certificate not
 * trusted, credentials rejected, refused) is logged once per outage for all connections together, and the recovery when all are connected.
 */
export const createOutageLogs = (logger: Logger) => {
  const logged = new Set<string>()
  const down = new Set<object>()
  let hasConnected = false
  return (): OutageLog => {
    const connection = {}
    down.add(connection)
    return {
      logFailure: (error) => {
        down.add(connection)
        const err = withoutArguments(error)
        const [level, message] = connectFailureOf(err)
        if (!logged.has(message)) logger[level](expectedFailure(err), message)
        logged.add(message)
      },
      logRecovery: () => {
        down.delete(connection)
        if (down.size > 0) return
        // A reconnect without a failure follows each write that a replica refuses, at most once per second.
        if (hasConnected && logged.size === 0) return
        hasConnected = true
        logged.clear()
        logger.info('connected to Redis')
      },
    }
  }
}
