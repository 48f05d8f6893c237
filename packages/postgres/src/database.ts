import { Socket } from 'node:net'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { Kysely } from 'kysely'
import { Pool, type PoolConfig } from 'pg'
import { clientConfigOf, type PostgresAddress, type PostgresTls } from './address.ts'
import { ClientWithErrorHandler } from './client.ts'
import { CauseKeepingDialect } from './dialect.ts'
import { withPrimaryFinder } from './hosts/primary-finder.ts'
import { logPool, type PoolMetrics, registerPoolMetrics } from './pool-events.ts'
import { PreparedStatementClient } from './prepared-statements.ts'
import { maxSessionSeconds, plannedOnce, startupOptions, verifySession, withoutTimeouts } from './session.ts'
import { statementLog } from './statements/log.ts'
import { runDirectly } from './statements/text.ts'
import { typeParsers } from './type-parsers.ts'

export type PostgresConfig = Readonly<{
  /** The name under which `pg_stat_activity` lists the connections. */
  applicationName: string
  address: PostgresAddress
  tls: PostgresTls
  poolSize: number
  /**
   * Whether the connections go through PgBouncer, which shares sessions among clients. Sessions then hold no
   * state.
   */
  pgBouncer: boolean
  /** A read-only replica of the primary. */
  replicaUrl: string | undefined
}>

/** Sets what the code relies on in each session. PgBouncer refuses that, so there it is only checked. */
const sessionConfig = (
  { pgBouncer, tls }: PostgresConfig,
  address: PostgresAddress,
  options: string,
): PoolConfig =>
  pgBouncer
    ? { ...clientConfigOf(address, tls), verify: verifySession }
    : clientConfigOf(address, tls, options)

/** Opens a pool that connects on demand, so an outage fails queries, but not this call. */
const openPool = <Tables>(
  config: PostgresConfig,
  address: PostgresAddress,
  logger: Logger,
  { options = startupOptions(), ...poolConfig }: PoolConfig,
  poolMetrics?: PoolMetrics,
): Kysely<Tables> => {
  const pool = new Pool(
    withPrimaryFinder({
      ...sessionConfig(config, address, options),
      application_name: config.applicationName,
      connectionTimeoutMillis: 2_000,
      keepAlive: true,
      // Finds a lost connection even if a statement has no time limit, as in a migration.
      keepAliveInitialDelayMillis: 10_000,
      maxLifetimeSeconds: maxSessionSeconds,
      Client: ClientWithErrorHandler,
      types: typeParsers,
      ...poolConfig,
    }),
  )
  logPool(pool, logger, address.hosts !== undefined)
  if (poolMetrics !== undefined) registerPoolMetrics(pool, poolMetrics)
  const log = statementLog(poolMetrics?.metrics)
  const database = new Kysely<Tables>({ dialect: new CauseKeepingDialect({ pool }), ...log })
  runDirectly(database, pool, log.log)
  return database
}

const queryTimeoutMs = 3_500

/** With PgBouncer: no timeouts of the server, no named statements, and no cancellation by backend process id. */
const requestOptions = ({ pgBouncer, poolSize }: PostgresConfig): PoolConfig =>
  pgBouncer
    ? { max: poolSize, query_timeout: queryTimeoutMs }
    : {
        max: poolSize,
        Client: PreparedStatementClient,
        options: startupOptions(plannedOnce),
        query_timeout: queryTimeoutMs,
        statement_timeout: 3_000,
        idle_in_transaction_session_timeout: 10_000,
      }

export const openPostgres = <Tables>(
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> =>
  openPool(config, config.address, logger, requestOptions(config), { name: 'primary', metrics })

/** Opens a pool of connections to the read-only replica. */
export const openReplica = <Tables>(
  url: string,
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> => openPool(config, { url }, logger, requestOptions(config), { name: 'replica', metrics })

/** The server cancels statistics queries after 60 s. This client-side timeout is for a hung server. */
const statisticsTimeoutMs = 66_000

const createUnrefSocket = () => new Socket().unref()

/**
 * Opens a pool of at most one connection for statistics queries, which scan whole tables and set their own
 * time limits. Connects to the replica if one is configured. The connection does not keep the process alive.
 */
export const openForStatistics = <Tables>(
  config: PostgresConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> => {
  const address = config.replicaUrl === undefined ? config.address : { url: config.replicaUrl }
  const options = {
    stream: createUnrefSocket,
    max: 1,
    query_timeout: statisticsTimeoutMs,
    ...(!config.pgBouncer && { Client: PreparedStatementClient }),
  }
  return openPool(config, address, logger, options, { name: 'statistics', metrics })
}

/** The lock of migrations, a migration that runs without a transaction, and the question what it waits for. */
const migrationConnections = 3

/** Opens a pool of connections without a statement timeout, because migrations may take long or wait for each other. */
export const openForMigration = <Tables>(config: PostgresConfig, logger: Logger): Kysely<Tables> =>
  openPool(config, config.address, logger, {
    max: migrationConnections,
    options: startupOptions(withoutTimeouts),
  })
