import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Logger } from '@shop/platform/logger.ts'
import type { Metrics } from '@shop/platform/metrics.ts'
import { Kysely, PostgresDialect } from 'kysely'
import { type ClientConfig, Pool, type PoolConfig } from 'pg'
import type { ProductConfig } from '../config.ts'
import { NamedStatementClient } from './named-statements.ts'
import type { Tables } from './products-table.ts'
import { statementLog } from './statement-log.ts'
import { SteadyClient } from './steady-client.ts'
import { readers } from './timestamps.ts'

/** `sslmode` as libpq means it: `require` encrypts, and trusts whoever answers unless a root certificate is given. */
const sslOf = ({ DB_SSLMODE, DB_SSLROOTCERT }: ProductConfig): ClientConfig['ssl'] => {
  if (DB_SSLMODE === 'disable') return false
  const ca = DB_SSLROOTCERT === undefined ? {} : { ca: readFileSync(DB_SSLROOTCERT, 'utf8') }
  if (DB_SSLMODE === 'verify-full') return { ...ca, rejectUnauthorized: true }
  return { ...ca, rejectUnauthorized: DB_SSLROOTCERT !== undefined, checkServerIdentity: () => undefined }
}

const addressOfUrl = (url: string, config: ProductConfig): ClientConfig => {
  const connection = new URL(url)
  connection.searchParams.set('uselibpqcompat', 'true')
  return { connectionString: connection.href, ssl: sslOf(config) }
}

/** Where the server is and who we are there. */
export const addressOf = (config: ProductConfig): ClientConfig =>
  config.DATABASE_URL !== undefined
    ? addressOfUrl(config.DATABASE_URL, config)
    : {
        host: config.DB_HOST ?? 'localhost',
        port: config.DB_PORT,
        user: config.DB_USER,
        password: config.DB_PASSWORD ?? '',
        database: config.DB_NAME,
        ssl: sslOf(config),
      }

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
const openPool = (logger: Logger, options: PoolConfig, watch?: Watch): Kysely<Tables> => {
  const pool = new Pool({
    application_name: 'product-service',
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    Client: SteadyClient,
    types: readers,
    ...options,
  })
  pool.on('error', (error) => logger.warn({ err: error }, 'a database connection was lost'))
  if (watch !== undefined) countConnections(pool, watch)
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), ...statementLog(watch?.metrics) })
}

const queryTimeoutMs = 3_500

/** PgBouncer gives a server's session to many clients, so nothing may be kept in it: no settings, no named statements. */
const sessionOptions = ({ DB_PGBOUNCER }: ProductConfig): PoolConfig =>
  DB_PGBOUNCER === 'on'
    ? { query_timeout: queryTimeoutMs }
    : {
        Client: NamedStatementClient,
        query_timeout: queryTimeoutMs,
        statement_timeout: 3_000,
        idle_in_transaction_session_timeout: 10_000,
      }

export const openPostgres = (config: ProductConfig, logger: Logger, metrics?: Metrics): Kysely<Tables> =>
  openPool(
    logger,
    { ...addressOf(config), ...sessionOptions(config), max: config.DB_POOL_SIZE },
    { name: 'primary', metrics },
  )

/** The replica of the primary, for reading only. */
export const openReplica = (
  url: string,
  config: ProductConfig,
  logger: Logger,
  metrics?: Metrics,
): Kysely<Tables> =>
  openPool(
    logger,
    { ...addressOfUrl(url, config), ...sessionOptions(config), max: config.DB_POOL_SIZE },
    { name: 'replica', metrics },
  )

const idleSocket = () => new Socket().unref()

/**
 * One connection for passes over the whole catalogue, which have their own limits: to the replica when one is named. It
 * keeps no process from its end.
 */
export const openForFigures = (config: ProductConfig, logger: Logger, metrics?: Metrics): Kysely<Tables> => {
  const { DB_REPLICA_URL: replica } = config
  const address = replica === undefined ? addressOf(config) : addressOfUrl(replica, config)
  return openPool(logger, { ...address, stream: idleSocket, max: 1 }, { name: 'figures', metrics })
}

/** One connection without a time limit on statements, for migrations: they may take long, or wait for each other. */
export const openForMigration = (config: ProductConfig, logger: Logger): Kysely<Tables> =>
  openPool(logger, { ...addressOf(config), max: 1 })
