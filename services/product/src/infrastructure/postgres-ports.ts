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

/** A pass over the whole table is given up when `stopped` aborts. */
export const openStatistics = (database: Database, stopped?: AbortSignal): ProductStatisticsReader =>
  mapStoreErrors(postgresProductStatistics(database, stopped), outage)

/** Up once it answers and has its tables. It looks the table's name up, for a locked table is no outage. */
export const probeOf = (database: Database) => (signal: AbortSignal) =>
  runWithSignal(signal, 'health', () => sql`select ${'products'}::text::regclass`.execute(database))
