import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import { closePostgres } from '@shop/postgres/close.ts'
import { openForStatistics, openPostgres, openReplica, type PostgresConfig } from '@shop/postgres/database.ts'
import { migrateOnStart } from '@shop/postgres/migrate-on-start.ts'
import type { Ports } from '../domain/ports.ts'
import { batchedProductReader } from './batched-product-reader.ts'
import { migrations } from './migrations.ts'
import { openReader, openRepository, openStatistics, probeOf } from './postgres-ports.ts'
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
    dependencies: [{ name: 'postgres-replica', required: false, probe: probeOf(replica) }],
    close: () => closePostgres(replica),
  }
}

/** Opens the service's adapters on a PostgreSQL server, which need not be available yet. */
export const openServerAdapters = (
  { postgres, migrate }: ServerConfig,
  { logger, metrics, abortService = () => {} }: AdapterOptions<unknown>,
): Adapters<Ports> => {
  const database = openPostgres<Tables>(postgres, logger, metrics)
  const { reader, dependencies, close } = openReaders(database, postgres, logger, metrics)
  const forStatistics = openForStatistics<Tables>(postgres, logger, metrics)
  const events = productEventHub(logger)
  const stop = new AbortController()
  let upToDate = false
  const prepare = async () => {
    const { signal } = stop
    upToDate = await migrateOnStart({ postgres, migrations, apply: migrate, logger, signal, abortService })
  }
  const prepared = prepare()
  const probe = async (signal: AbortSignal) => {
    if (!upToDate) throw new Error('the database is not migrated yet')
    return probeOf(database)(signal)
  }
  return {
    ports: {
      products: openRepository(database, events.publish),
      events,
      reader: batchedProductReader(reader),
      statistics: openStatistics(forStatistics, stop.signal),
    },
    dependencies: [{ name: 'postgres', required: true, probe }, ...dependencies],
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await prepared
      await close()
      await closePostgres(forStatistics)
      await closePostgres(database)
    },
  }
}
