import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import { closePostgres } from '@shop/postgres/close.ts'
import { openForStatistics, openPostgres, openReplica, type PostgresConfig } from '@shop/postgres/database.ts'
import { migrateOnStart } from '@shop/postgres/migrate-on-start.ts'
import type { Ports } from '../domain/ports.ts'
import { batchedProductReader } from './batched-product-reader.ts'
import { migrations } from './migrations.ts'
import {
  openReader,
  openRepository,
  openStatistics,
  probeOf,
  readProbeOf,
  requireRights,
} from './postgres-ports.ts'
import { productEventHub } from './product-event-hub.ts'
import type { Database, Tables } from './products-table.ts'
import { replicaProductReader } from './replica-product-reader.ts'

export type ServerConfig = Readonly<{
  kind: 'postgres'
  postgres: PostgresConfig
  /** Whether the service applies migrations. Otherwise it waits until another process has applied them. */
  migrate: boolean
}>

/** Opens the replica if one is configured. Queries then read from it, and it is an optional dependency. */
const openReaders = (
  primary: Database,
  config: PostgresConfig,
  logger: Logger,
  metrics: Metrics | undefined,
) => {
  if (config.replicaUrl === undefined)
    return { reader: openReader(primary), dependencies: [], close: async () => {} }
  const replica = openReplica<Tables>(config.replicaUrl, config, logger, metrics)
  return {
    reader: replicaProductReader(
      openReader(replica),
      openReader(primary),
      metrics?.watchBreaker('postgres-replica'),
    ),
    dependencies: [{ name: 'postgres-replica', required: false, probe: readProbeOf(replica) }],
    close: () => closePostgres(replica),
  }
}

type Probe = (signal: AbortSignal) => Promise<void>

/** Logs why the probe fails: once, until it fails for another reason or succeeds. */
const logProblems = (probe: Probe, logger: Logger): Probe => {
  let logged: string | undefined
  return async (signal) => {
    try {
      await probe(signal)
      logged = undefined
    } catch (error) {
      const reason = String(error)
      if (reason !== logged) logger.error({ err: error }, 'not ready: the database cannot be used')
      logged = reason
      throw error
    }
  }
}

/** Migrates the database in the background. The probe fails until that has succeeded. */
const prepare = (
  database: Database,
  { postgres, migrate }: ServerConfig,
  { logger, abortService = () => {} }: AdapterOptions<unknown>,
  signal: AbortSignal,
) => {
  let upToDate = false
  const migrateDatabase = async () => {
    const options = { postgres, migrations, apply: migrate, verify: requireRights }
    upToDate = await migrateOnStart({ ...options, logger, signal, abortService })
  }
  const probeMigrated = logProblems(probeOf(database), logger)
  const probe: Probe = async (probeSignal) => {
    if (!upToDate) throw new Error('the database is not migrated yet')
    return probeMigrated(probeSignal)
  }
  return { done: migrateDatabase(), probe }
}

/** Opens the service's adapters on a PostgreSQL server, which need not be available yet. */
export const openServerAdapters = (
  config: ServerConfig,
  options: AdapterOptions<unknown>,
): Adapters<Ports> => {
  const { postgres } = config
  const { logger, metrics } = options
  const database = openPostgres<Tables>(postgres, logger, metrics)
  const { reader, dependencies, close } = openReaders(database, postgres, logger, metrics)
  const forStatistics = openForStatistics<Tables>(postgres, logger, metrics)
  const events = productEventHub(logger)
  const stop = new AbortController()
  const prepared = prepare(database, config, options, stop.signal)
  return {
    ports: {
      products: openRepository(database, events.publish),
      events,
      reader: batchedProductReader(reader),
      statistics: openStatistics(forStatistics, stop.signal),
    },
    dependencies: [{ name: 'postgres', required: true, probe: prepared.probe }, ...dependencies],
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await prepared.done
      await close()
      await closePostgres(forStatistics)
      await closePostgres(database)
    },
  }
}
