import { runWithSignal } from '@shop/postgres/cancellation.ts'
import { mapStoreErrors } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import type { PublishedProductEvent } from '../domain/product-events.ts'
import type { ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import type { ProductStatisticsReader } from '../domain/product-statistics.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { postgresProductRepository } from './postgres-product-repository.ts'
import { postgresProductStatistics } from './postgres-product-statistics.ts'
import type { Database } from './products-table.ts'

const outage = 'the product database is unavailable'

export const openRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
): ProductRepository => mapStoreErrors(postgresProductRepository(database, publish), outage)

export const openReader = (database: Database): ProductReader =>
  mapStoreErrors(postgresProductReader(database), outage)

/** A running query is cancelled when `stopSignal` aborts. */
export const openStatistics = (database: Database, stopSignal?: AbortSignal): ProductStatisticsReader =>
  mapStoreErrors(postgresProductStatistics(database, stopSignal), outage)

/**
 * Returns a probe that succeeds once the database responds and has its tables. It only looks up the table's
 * name, because a locked table is not an outage.
 */
export const probeOf = (database: Database) => (signal: AbortSignal) =>
  runWithSignal(signal, 'health', () => sql`select ${'products'}::text::regclass`.execute(database))
