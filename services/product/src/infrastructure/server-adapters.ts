import { type AsyncFunctions, decorate } from '@shop/platform/decorate.ts'
import type { Dependency } from '@shop/platform/health/health.ts'
import { logFailures } from '@shop/platform/health/logged-probe.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { AdapterOptions, Adapters } from '@shop/platform/process/run-service.ts'
import { stopOnAbort } from '@shop/platform/request-context.ts'
import { openHangGuard } from '@shop/postgres/availability/hang-guard.ts'
import { createWriteCheck } from '@shop/postgres/availability/write-check.ts'
import { closePostgres } from '@shop/postgres/close.ts'
import { openForStatistics, openPostgres, openReplica, type PostgresConfig } from '@shop/postgres/database.ts'
import { migrateAgain } from '@shop/postgres/migrate-again.ts'
import { migrateOnStart } from '@shop/postgres/migrate-on-start.ts'
import type { Ports } from '../domain/ports.ts'
import { batchedProductReader } from './batched-product-reader.ts'
import { poolShares } from './limits/pool-shares.ts'
import { migrations } from './migrations.ts'
import {
  attemptWriteOf,
  openReader,
  openRememberedWrites,
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

/** The error message of calls while the server hangs. */
const notResponding = 'the product database is not responding'

type Guard = ReturnType<typeof openHangGuard>

/** A call that is refused because the server hangs sends nothing more: a late write could replace a newer one. */
const guardWrites = <Adapter extends AsyncFunctions>(adapter: Adapter, guard: Guard): Adapter =>
  decorate(adapter, (_name, call) => guard((signal) => stopOnAbort(signal, call)))

/** Opens the replica if one is configured. Queries then read from it, and it is an optional dependency. */
const openReaders = (
  primary: Database,
  guard: Guard,
  { postgres }: ServerConfig,
  { logger, metrics }: AdapterOptions<unknown>,
) => {
  // A late read harms nobody, and a signal that combines those of the guard and of the caller takes 5 µs.
  const primaryReader = decorate(openReader(primary), (_name, call) => guard(call))
  if (postgres.replicaUrl === undefined)
    return { reader: primaryReader, dependencies: [], close: async () => {} }
  const replica = openReplica<Tables>(postgres.replicaUrl, postgres, logger, metrics)
  const onState = metrics?.watchBreaker('postgres-replica')
  return {
    reader: replicaProductReader(openReader(replica), primaryReader, onState),
    dependencies: [{ name: 'postgres-replica', required: false, probe: readProbeOf(replica) }],
    close: () => closePostgres(replica),
  }
}

type Probe = Dependency['probe']

/** Migrates the database in the background. Until that has succeeded, the service is not ready. */
const prepare = (
  { postgres, migrate }: ServerConfig,
  { logger, abortService = () => {} }: AdapterOptions<unknown>,
  signal: AbortSignal,
) => {
  let upToDate = false
  const again = migrateAgain({ postgres, migrations, logger })
  const migrateDatabase = async () => {
    const options = { postgres, migrations, apply: migrate, verify: requireRights }
    upToDate = await migrateOnStart({ ...options, logger, signal, abortService })
  }
  /** Returns a probe that fails until the database is migrated. */
  const onceMigrated =
    (probe: Probe): Probe =>
    async (probeSignal) => {
      if (!upToDate) throw new Error('the database is not migrated yet')
      try {
        return await probe(probeSignal)
      } catch (error) {
        if (migrate) again.onError(error)
        throw error
      }
    }
  const first = migrateDatabase()
  return { done: () => first.then(again.done), onceMigrated }
}

/** The health checks of the primary. A server without writes degrades the service (docs/decisions/0021-read-only-stores.md). */
const primaryDependencies = (
  database: Database,
  writeProbe: Probe,
  guard: Guard,
  onceMigrated: (probe: Probe) => Probe,
  logger: Logger,
): Dependency[] => {
  const dependency = (name: string, required: boolean, probe: Probe): Dependency => {
    const logged = logFailures({ name, required, probe: (signal) => guard(() => probe(signal)) }, logger)
    return { name, required, probe: onceMigrated(logged.probe) }
  }
  return [dependency('postgres', true, probeOf(database)), dependency('postgres-writes', false, writeProbe)]
}

/** Opens the service's adapters on a PostgreSQL server, which need not be available yet. */
export const openServerAdapters = (
  config: ServerConfig,
  options: AdapterOptions<unknown>,
): Adapters<Ports> => {
  const { postgres } = config
  const { logger, metrics } = options
  const stop = new AbortController()
  const database = openPostgres<Tables>(postgres, logger, metrics)
  const guard = openHangGuard(postgres, database, notResponding, metrics, stop.signal)
  const { reader, dependencies, close } = openReaders(database, guard, config, options)
  const forStatistics = openForStatistics<Tables>(postgres, logger, metrics)
  const events = productEventHub(logger)
  const writes = createWriteCheck(attemptWriteOf(database))
  // A replica has a pool of the same size.
  const shares = poolShares(postgres.poolSize, metrics)
  const repository = openRepository(database, events.publish, shares, (message) => logger.warn(message))
  const { done, onceMigrated } = prepare(config, options, stop.signal)
  return {
    ports: {
      products: guardWrites(writes.observe(repository), guard),
      events,
      reader: batchedProductReader(reader, shares),
      statistics: openStatistics(forStatistics, stop.signal),
      rememberedWrites: guardWrites(openRememberedWrites(database), guard),
    },
    dependencies: [
      ...primaryDependencies(database, writes.probe, guard, onceMigrated, logger),
      ...dependencies,
    ],
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await done()
      await close()
      await closePostgres(forStatistics)
      await closePostgres(database)
    },
  }
}
