import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { runWithSignal } from '@shop/postgres/cancellation.ts'
import { mapStoreErrors } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import type { PublishedProductEvent } from '../domain/product-events.ts'
import type { ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import type { ProductStatisticsReader } from '../domain/product-statistics.ts'
import type { RememberedWrites } from '../domain/remembered-writes.ts'
import { postgresRememberedWrites } from './idempotency/remembered-writes.ts'
import type { PoolShares } from './limits/pool-shares.ts'
import { idSequence } from './postgres-product-ids.ts'
import { postgresProductReader, readAnyProduct } from './postgres-product-reader.ts'
import { postgresProductRepository } from './postgres-product-repository.ts'
import { postgresProductStatistics } from './postgres-product-statistics.ts'
import type { Database } from './products-table.ts'

const outage = 'the product database is unavailable'

export const openRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
  shares?: PoolShares,
  warn?: (message: string) => void,
): ProductRepository => mapStoreErrors(postgresProductRepository(database, publish, shares, warn), outage)

export const openReader = (database: Database): ProductReader =>
  mapStoreErrors(postgresProductReader(database), outage)

/** A running query is cancelled when `stopSignal` aborts. */
export const openStatistics = (database: Database, stopSignal?: AbortSignal): ProductStatisticsReader =>
  mapStoreErrors(postgresProductStatistics(database, stopSignal), outage)

export const openRememberedWrites = (database: Database): RememberedWrites =>
  mapStoreErrors(postgresRememberedWrites(database), outage)

type Rights = Readonly<{ role: string; missing: string | null; filtered: string | null }>

/**
 * Throws an `OperatorError` that says what to change unless the role may read and write all products and idempotency keys.
 * A sequence needs a right only if the column of the ids is not an identity column. Without the table of the keys, only writes
 * with one fail.
 */
export const requireRights = async (database: Database): Promise<void> => {
  const { rows } = await sql<Rights>`
    with tables (place, table_name, oid) as (
      values (1, 'products', 'products'::regclass), (2, 'idempotency_keys', to_regclass('idempotency_keys'))
    )
    select current_user as role, (
      select string_agg(table_name, ' and ' order by place) from tables where row_security_active(oid)
    ) as filtered, (
      select string_agg(missing, ', ' order by place) from (
        select place, right_name || ' on ' || table_name as missing
          from tables, unnest(array['select', 'insert', 'update', 'delete']) as right_name
          where not has_table_privilege(oid, right_name)
        union all select 3, 'usage on sequence ' || ${idSequence} from pg_attribute
          where attrelid = 'products'::regclass and attname = 'id' and attidentity = ''
            and not has_sequence_privilege(${idSequence}, 'usage')
      ) as missing_rights
    ) as missing
  `.execute(database)
  const [{ role, missing, filtered } = { role: '', missing: null, filtered: null }] = rows
  if (missing !== null) throw new OperatorError(`the role ${role} lacks rights: grant it ${missing}`)
  if (filtered !== null)
    throw new OperatorError(
      `row-level security of ${filtered} applies to the role ${role}: alter the role to bypassrls, or disable row-level security on it`,
    )
}

/** Runs the reads of requests: a list, and a read by id. */
const readProducts = async (database: Database): Promise<void> => {
  const product = await readAnyProduct(database)
  await postgresProductReader(database).findMany(product === undefined ? [] : [product.id])
}

/**
 * Returns a probe that runs its statements on one connection. With one for each statement, it waited for the pool as often: a
 * busy service was then reported as not ready.
 */
const onOneConnection =
  (database: Database, work: (connection: Database) => Promise<void>) => (signal: AbortSignal) =>
    runWithSignal(signal, 'health', () => database.connection().execute(work))

/** Returns a probe that runs the reads of requests. */
export const readProbeOf = (database: Database) => onOneConnection(database, readProducts)

/**
 * Returns a probe that checks the rights, and then runs the reads of requests. The rights come first, because
 * their error says what to grant.
 */
export const probeOf = (database: Database) =>
  onOneConnection(database, async (connection) => {
    await requireRights(connection)
    await readProducts(connection)
  })

/**
 * Returns a function that sends a write that changes nothing. The server refuses it like every other write, and it
 * waits for the same locks.
 */
export const attemptWriteOf = (database: Database) => (signal: AbortSignal) =>
  runWithSignal(signal, 'health', () =>
    sql`update products set version = version where false`.execute(database),
  )
