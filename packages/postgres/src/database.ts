import { Socket } from 'node:net'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'
import { clientConfigOf, type PostgresAddress, type PostgresTls } from './address.ts'
import { ClientWithErrorHandler } from './client.ts'
import { PreparedStatementClient } from './prepared-statements.ts'
import { statementLog } from './statement-log.ts'
import { readers } from './timestamps.ts'

export type PostgresConfig = Readonly<{
  /** How the server lists the connections. */
  applicationName: string
  address: PostgresAddress
  tls: PostgresTls
  poolSize: number
  /** Behind PgBouncer, which gives a server's session to many clients, so that nothing may be kept in it. */
  pgBouncer: boolean
  /** A copy of the primary, for reading only. */
  replicaUrl: string | undefined
}>

/** Under this name the pool's connections are counted and its statements measured. */
type Watch = Readonly<{ name: string; metrics: Metrics | undefined }>

const countConnections = (pool: Pool, { name, metrics }: Watch): void =>
  metrics?.watchPool(name, () => ({
    idle: pool.idleCount,
    used: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
    max: pool.options.max,
  }))

/** Connections to the server, opened when needed: an outage is an error of the query, never of this call. */
const openPool = <Tables>(
  { applicationName, tls }: PostgresConfig,
  address: PostgresAddress,
  logger: Logger,
  options: PoolConfig,
  watch?: Watch,
): Kysely<Tables> => {
  const pool = new Pool({
    ...clientConfigOf(address, tls),
    application_name: applicationName,
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    Client: ClientWithErrorHandler,
    types: readers,
    ...options,
  })
  pool.on('error', (error) => logger.warn({ err: error }, 'database connection lost'))
  if (watch !== undefined) countConnections(pool, watch)
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), ...statementLog(watch?.metrics) })
}

const queryTimeoutMs = 3_500

/** Behind PgBouncer there are no settings of the session, no prepared statements, and no session to stop a statement in. */
const sessionOptions = ({ pgBouncer }: PostgresConfig): PoolConfig =>
  pgBouncer
    ? { query_timeout: queryTimeoutMs }
    : {
        Client: PreparedStatementClient,
        query_timeout: queryTimeoutMs,
        statement_timeout: 3_000,
        idle_in_transaction_session_timeout: 10_000,
      }

export const openPostgres = <Tables>(
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> =>
  openPool(
    config,
    config.address,
    logger,
    { ...sessionOptions(config), max: config.poolSize },
    { name: 'primary', metrics },
  )

/** The replica of the primary, for reading only. */
export const openReplica = <Tables>(
  url: string,
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> =>
  openPool(
    config,
    { url },
    logger,
    { ...sessionOptions(config), max: config.poolSize },
    { name: 'replica', metrics },
  )

/** A pass has a minute at the server; this is for a server that does not keep to it. */
const passTimeoutMs = 66_000

const idleSocket = () => new Socket().unref()

/**
 * One connection for passes over a whole table, which have their own limits: to the replica when one is named. It keeps no
 * process from its end.
 */
export const openForStatistics = <Tables>(
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> => {
  const address = config.replicaUrl === undefined ? config.address : { url: config.replicaUrl }
  const options = {
    stream: idleSocket,
    max: 1,
    query_timeout: passTimeoutMs,
    ...(!config.pgBouncer && { Client: PreparedStatementClient }),
  }
  return openPool(config, address, logger, options, { name: 'statistics', metrics })
}

/** One connection without a time limit on statements, for migrations: they may take long, or wait for each other. */
export const openForMigration = <Tables>(config: PostgresConfig, logger: Logger): Kysely<Tables> =>
  openPool(config, config.address, logger, { max: 1 })
