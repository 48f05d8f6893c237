import { readFileSync } from 'node:fs'
import type { Logger } from '@shop/platform/logger.ts'
import { Kysely, PostgresDialect } from 'kysely'
import { type ClientConfig, Pool, type PoolConfig } from 'pg'
import type { ProductConfig } from '../config.ts'
import { NamedStatementClient } from './named-statements.ts'
import type { Tables } from './products-table.ts'
import { statementTracing } from './statement-tracing.ts'
import { SteadyClient } from './steady-client.ts'

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

/** Connections to the server, opened when needed: an outage is an error of the query, never of this call. */
const openPool = (logger: Logger, options: PoolConfig): Kysely<Tables> => {
  const pool = new Pool({
    application_name: 'product-service',
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    Client: SteadyClient,
    ...options,
  })
  pool.on('error', (error) => logger.warn({ err: error }, 'a database connection was lost'))
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), ...statementTracing() })
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

export const openPostgres = (config: ProductConfig, logger: Logger): Kysely<Tables> =>
  openPool(logger, { ...addressOf(config), ...sessionOptions(config), max: config.DB_POOL_SIZE })

/** The replica of the primary, for reading only. */
export const openReplica = (url: string, config: ProductConfig, logger: Logger): Kysely<Tables> =>
  openPool(logger, { ...addressOfUrl(url, config), ...sessionOptions(config), max: config.DB_POOL_SIZE })

/** One connection without a time limit on statements, for migrations: they may take long, or wait for each other. */
export const openForMigration = (config: ProductConfig, logger: Logger): Kysely<Tables> =>
  openPool(logger, { ...addressOf(config), max: 1 })
