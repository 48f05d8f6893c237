import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from '@shop/platform/deadline.ts'
import type { Dependency } from '@shop/platform/health.ts'
import { giveUp } from '@shop/platform/lifecycle.ts'
import type { Logger } from '@shop/platform/logger.ts'
import type { Metrics } from '@shop/platform/metrics.ts'
import { sql } from 'kysely'
import type { ProductConfig } from '../config.ts'
import type { ProductFiguresReader } from '../domain/product-figures.ts'
import type { ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { coalescedProductReader } from './coalesced-product-reader.ts'
import { openForFigures, openForMigration, openPostgres, openReplica } from './database.ts'
import { MigrationsPending, migrate, requireMigrations } from './migrate.ts'
import { isUnusable, withAvailability } from './postgres-errors.ts'
import { postgresProductFigures } from './postgres-product-figures.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { postgresProductRepository } from './postgres-product-repository.ts'
import type { Database } from './products-table.ts'
import { replicaProductReader } from './replica-product-reader.ts'
import { seedSamples } from './seed.ts'
import type { OnAbort } from './while-wanted.ts'

type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  figures: ProductFiguresReader
}>

export type Adapters = AsyncDisposable & Readonly<{ ports: Ports; dependencies: readonly Dependency[] }>

const retryMs = { first: 250, last: 5_000 }
/** A connection to a server that hangs does not close by itself. */
const closeLimitMs = 1_000

const onAbortOf = ({ STORAGE, DB_PGBOUNCER }: ProductConfig): OnAbort =>
  STORAGE === 'postgres' && DB_PGBOUNCER === 'off' ? 'cancel query' : 'ignore query'

const writing = (database: Database, config: ProductConfig): ProductRepository =>
  withAvailability(postgresProductRepository(database, onAbortOf(config)))

const reading = (database: Database, config: ProductConfig): ProductReader =>
  withAvailability(postgresProductReader(database, onAbortOf(config)))

const counting = (database: Database, config: ProductConfig, signal?: AbortSignal): ProductFiguresReader =>
  withAvailability(
    postgresProductFigures(database, { signal, inflightQueryAbortStrategy: onAbortOf(config) }),
  )

/** Up once it answers and has its tables. It looks the table's name up, for a locked table is no outage. */
const probing = (database: Database, config: ProductConfig) => (signal: AbortSignal) =>
  sql`select 'products'::regclass`.execute(database, {
    signal,
    inflightQueryAbortStrategy: onAbortOf(config),
  })

const closing = (database: Database): Promise<void> =>
  withDeadline(closeLimitMs, 'the database did not close', database.destroy()).catch(() => {})

/** Migrates the database, or, with MIGRATE=off, sees whether somebody else has. Resolves with what the log is to say. */
const bringUpToDate = async (database: Database, { MIGRATE }: ProductConfig) => {
  if (MIGRATE === 'on') return { applied: await migrate(database) }
  await requireMigrations(database)
  return {}
}

/** Keeps trying while the server is not there; a migration that fails is another matter, and stops the service. */
const untilUpToDate = async (
  config: ProductConfig,
  logger: Logger,
  stopped: AbortSignal,
): Promise<boolean> => {
  const database = openForMigration(config, logger)
  try {
    for (let pause = retryMs.first; ; pause = Math.min(2 * pause, retryMs.last)) {
      try {
        logger.info(await bringUpToDate(database, config), 'the database is up to date')
        return true
      } catch (error) {
        if (stopped.aborted) return false
        if (!isUnusable(error) && !(error instanceof MigrationsPending)) {
          logger.fatal({ err: error }, 'the database cannot be migrated')
          giveUp()
          return false
        }
        logger.warn({ err: error }, 'waiting for the database')
        await delay(pause, undefined, { signal: stopped }).catch(() => {})
      }
    }
  } finally {
    await closing(database)
  }
}

/** The replica when one is named: queries read from it, and health tells when they cannot. */
const openReading = (
  primary: Database,
  config: ProductConfig,
  logger: Logger,
  metrics: Metrics | undefined,
) => {
  if (config.DB_REPLICA_URL === undefined)
    return { reader: reading(primary, config), dependencies: [], close: async () => {} }
  const replica = openReplica(config.DB_REPLICA_URL, config, logger, metrics)
  return {
    reader: replicaProductReader(
      reading(replica, config),
      reading(primary, config),
      metrics?.watchBreaker('postgres-replica'),
    ),
    dependencies: [{ name: 'postgres-replica', hard: false, probe: probing(replica, config) }],
    close: () => closing(replica),
  }
}

const openServer = (config: ProductConfig, logger: Logger, metrics: Metrics | undefined): Adapters => {
  const database = openPostgres(config, logger, metrics)
  const { reader, dependencies, close } = openReading(database, config, logger, metrics)
  const forFigures = openForFigures(config, logger, metrics)
  const stop = new AbortController()
  let upToDate = false
  const prepare = async () => {
    upToDate = await untilUpToDate(config, logger, stop.signal)
  }
  const prepared = prepare()
  const probe = async (signal: AbortSignal) => {
    if (!upToDate) throw new Error('the database is not up to date yet')
    return probing(database, config)(signal)
  }
  return {
    ports: {
      products: writing(database, config),
      reader: coalescedProductReader(reader),
      figures: counting(forFigures, config, stop.signal),
    },
    dependencies: [{ name: 'postgres', hard: true, probe }, ...dependencies],
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await prepared
      await close()
      await closing(forFigures)
      await closing(database)
    },
  }
}

const openEmbeddedStorage = async (
  config: ProductConfig,
  logger: Logger,
  metrics: Metrics | undefined,
): Promise<Adapters> => {
  logger.warn({ data_dir: config.DATA_DIR }, 'embedded storage: for one developer on one machine')
  // Loaded only here: production does without it, and images come without it.
  const { openEmbedded } = await import('./embedded-database.ts')
  const storage = await openEmbedded(config.DATA_DIR, metrics)
  await migrate(storage.database)
  const ports = {
    products: writing(storage.database, config),
    reader: coalescedProductReader(reading(storage.database, config)),
    figures: counting(storage.database, config),
  }
  if (config.ENVIRONMENT !== 'production') {
    const added = await seedSamples(ports.products, ports.reader)
    if (added > 0) logger.info({ added }, 'added sample products to the empty catalogue')
  }
  return {
    ports,
    dependencies: [{ name: 'postgres', hard: true, probe: probing(storage.database, config) }],
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
}

/**
 * Opens what the configuration names, measured when there are metrics. A server may come later: until then the service
 * runs, and is not ready.
 */
export const openAdapters = async (
  config: ProductConfig,
  logger: Logger,
  metrics?: Metrics,
): Promise<Adapters> =>
  config.STORAGE === 'postgres'
    ? openServer(config, logger, metrics)
    : openEmbeddedStorage(config, logger, metrics)
