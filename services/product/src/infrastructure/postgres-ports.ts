import type { OnAbort } from '@shop/postgres/cancellation.ts'
import { mapStoreErrors } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import type { ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import type { ProductStatisticsReader } from '../domain/product-statistics.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { postgresProductRepository } from './postgres-product-repository.ts'
import { postgresProductStatistics } from './postgres-product-statistics.ts'
import type { Database } from './products-table.ts'

const outage = 'the product database cannot answer right now'

export const openRepository = (database: Database, onAbort: OnAbort): ProductRepository =>
  mapStoreErrors(postgresProductRepository(database, onAbort), outage)

export const openReader = (database: Database, onAbort: OnAbort): ProductReader =>
  mapStoreErrors(postgresProductReader(database, onAbort), outage)

export const openStatistics = (
  database: Database,
  onAbort: OnAbort,
  signal?: AbortSignal,
): ProductStatisticsReader =>
  mapStoreErrors(postgresProductStatistics(database, { signal, inflightQueryAbortStrategy: onAbort }), outage)

/** Up once it answers and has its tables. It looks the table's name up, for a locked table is no outage. */
export const probeOf = (database: Database, inflightQueryAbortStrategy: OnAbort) => (signal: AbortSignal) =>
  sql`select 'products'::regclass`.execute(database, { signal, inflightQueryAbortStrategy })
