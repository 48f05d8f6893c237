import { hasSqlState, IgnoredWrite } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import { idTaken, noIdLeft, noVersionLeft, productReferenced } from '../domain/errors.ts'
import {
  type Creation,
  limits,
  type Product,
  type ProductFields,
  type Removal,
  type Revision,
} from '../domain/product.ts'
import type { ProductEvent, PublishedProductEvent } from '../domain/product-events.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { batchedFind } from './batched-product-reader.ts'
import { type PoolShares, poolShares } from './limits/pool-shares.ts'
import { assignedId, isNoIdLeft, isTakenId, withFreeIds } from './postgres-product-ids.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { assignedColumns, type Database, productColumns, rowOf, writtenProduct } from './products-table.ts'
import { productOf } from './reading/product-row.ts'

const insertOne = async (database: Database, fields: ProductFields): Promise<Product> => {
  const insert = database.insertInto('products').values(rowOf(fields))
  const row = await insert.returning([assignedId, ...assignedColumns]).executeTakeFirst()
  if (row === undefined) throw new IgnoredWrite('a trigger or rule of products has ignored a new product')
  return writtenProduct(fields, row)
}

/** Reads and locks the row: no other transaction can write it until this one ends. */
const findLocked = async (transaction: Database, id: number): Promise<Product | undefined> => {
  const row = await transaction
    .selectFrom('products')
    .select(productColumns)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row && productOf(row)
}

/** Writes the fields of `changed` to the product's row. Resolves with `undefined` if its version has changed. */
const updateOne = async (database: Database, { id, version }: Product, changed: Product) => {
  if (version === limits.integer) throw noVersionLeft(id)
  const row = await database
    .updateTable('products')
    .set({ ...rowOf(changed), version: sql`version + 1`, updated_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .where('version', '=', version)
    .returning(['id', ...assignedColumns])
    .executeTakeFirst()
  return row && writtenProduct(changed, row)
}

const deleteOne = async (database: Database, { id, version }: Product): Promise<boolean> => {
  const deletion = database.deleteFrom('products').where('id', '=', id).where('version', '=', version)
  return (await deletion.returning('id').executeTakeFirst()) !== undefined
}

/** Whether a foreign key of another table refuses the write. Another foreign key may be one of the table `products`. */
const isReferenced = (error: unknown): boolean =>
  hasSqlState(error, '23503') && (error as { table?: unknown }).table !== 'products'

/** The product after the write (`undefined` if removed or missing), and the events to publish. */
type WriteResult = Readonly<{ product: Product | undefined; events: readonly PublishedProductEvent[] }>

const toPublished = (events: readonly ProductEvent[], { id, version }: Product): PublishedProductEvent[] =>
  events.map((event) => ({ ...event, productId: id, version }))

/** Updates or deletes the stored product, once. Resolves with `undefined` if another write came first. */
const tryWrite = async (
  database: Database,
  stored: Product | undefined,
  { product: changed, events }: Revision | Removal,
): Promise<WriteResult | undefined> => {
  if (stored === undefined) {
    if (changed !== undefined) throw new Error('update() cannot create a product')
    return { product: undefined, events: [] }
  }
  if (changed === undefined)
    return (await deleteOne(database, stored))
      ? { product: undefined, events: toPublished(events, stored) }
      : undefined
  const product = await updateOne(database, stored, changed)
  return product && { product, events: toPublished(events, product) }
}

/** Writes the product as it was read or, if it has changed since, as read with its row locked. */
const writeOne = async (
  database: Database,
  id: number,
  stored: Product | undefined,
  change: (stored: Product | undefined) => Revision | Removal,
): Promise<WriteResult | undefined> =>
  (await tryWrite(database, stored, change(stored))) ??
  (await database.transaction().execute(async (transaction) => {
    const locked = await findLocked(transaction, id)
    return tryWrite(transaction, locked, change(locked))
  }))

/**
 * Writes products to PostgreSQL or PGlite, with optimistic locking. A write reads the product, in a batch
 * with concurrent writes, and takes effect if the product has not changed since. Otherwise the write is
 * repeated with the row locked. `publish` receives the events of a write after its commit.
 *
 * Writes wait for their share of the connections, those of one product for each other first. A write that is refused
 * has not begun.
 */
export const postgresProductRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
  { writes, writesOfProduct }: Pick<PoolShares, 'writes' | 'writesOfProduct'> = poolShares(),
): ProductRepository => {
  const reader = postgresProductReader(database)
  // Reads wait behind the writes and form large batches meanwhile: 1,500 updates took 130 queries instead of 660.
  const find = batchedFind({ findMany: (ids) => writes.runAnyway(() => reader.findMany(ids)) })
  const publishAndReturn = <Result extends WriteResult>({ product, events }: Result): Result['product'] => {
    publish(events)
    return product
  }

  return {
    add: async ({ fields, events }: Creation) => {
      const product = await writes
        .run(() => withFreeIds(database, () => insertOne(database, fields)))
        .catch((error: unknown) => {
          throw isNoIdLeft(error) ? noIdLeft(error) : isTakenId(error) ? idTaken(error) : error
        })
      return publishAndReturn({ product, events: toPublished(events, product) })
    },

    update: async <Result extends Revision | Removal>(
      id: number,
      change: (stored: Product | undefined) => Result,
    ) => {
      const result = await writesOfProduct(id, async () => {
        const stored = await find(id)
        return writes.run(() => writeOne(database, id, stored, change))
      }).catch((error: unknown) => {
        throw isReferenced(error) ? productReferenced(id, error) : error
      })
      if (result === undefined)
        throw new IgnoredWrite(`a trigger or rule of products has ignored a write of product ${id}`)
      // The cast is safe: a `Revision` yields a product, a `Removal` yields `undefined`.
      return publishAndReturn(result) as Result['product']
    },
  }
}
