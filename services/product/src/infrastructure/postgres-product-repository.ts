import { hasSqlState } from '@shop/postgres/errors.ts'
import { sql } from 'kysely'
import { idTaken, noIdLeft, noVersionLeft } from '../domain/errors.ts'
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
import { isLastIdAssigned, isTakenId, withFreeIds } from './postgres-product-ids.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import {
  assignedColumns,
  type Database,
  productColumns,
  productOf,
  rowOf,
  writtenProduct,
} from './products-table.ts'

const insertOne = async (database: Database, fields: ProductFields): Promise<Product> => {
  const insert = database.insertInto('products').values(rowOf(fields)).returning(assignedColumns)
  return writtenProduct(fields, await insert.executeTakeFirstOrThrow())
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
  const row = await database
    .updateTable('products')
    .set({ ...rowOf(changed), version: sql`version + 1`, updated_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .where('version', '=', version)
    .returning(assignedColumns)
    .executeTakeFirst()
    .catch((error: unknown) => {
      // 22003: out of range, such as of the next version, or of a column that was altered.
      throw version === limits.integer && hasSqlState(error, '22003') ? noVersionLeft(id, error) : error
    })
  return row && writtenProduct(changed, row)
}

const deleteOne = async (database: Database, { id, version }: Product): Promise<boolean> => {
  const deletion = database.deleteFrom('products').where('id', '=', id).where('version', '=', version)
  return (await deletion.returning('id').executeTakeFirst()) !== undefined
}

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

/**
 * Writes products to PostgreSQL or PGlite, with optimistic locking. A write reads the product, in a batch
 * with concurrent writes, and takes effect if the product has not changed since. Otherwise the write is
 * repeated with the row locked. `publish` receives the events of a write after its commit.
 */
export const postgresProductRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
): ProductRepository => {
  const find = batchedFind(postgresProductReader(database))
  const publishAndReturn = <Result extends WriteResult>({ product, events }: Result): Result['product'] => {
    publish(events)
    return product
  }

  return {
    add: async ({ fields, events }: Creation) => {
      const product = await withFreeIds(database, () => insertOne(database, fields)).catch(
        (error: unknown) => {
          throw isLastIdAssigned(error) ? noIdLeft(error) : isTakenId(error) ? idTaken(error) : error
        },
      )
      return publishAndReturn({ product, events: toPublished(events, product) })
    },

    update: async <Result extends Revision | Removal>(
      id: number,
      change: (stored: Product | undefined) => Result,
    ) => {
      const stored = await find(id)
      const result =
        (await tryWrite(database, stored, change(stored))) ??
        (await database.transaction().execute(async (transaction) => {
          const locked = await findLocked(transaction, id)
          return tryWrite(transaction, locked, change(locked))
        }))
      if (result === undefined) throw new Error('a locked product was written by another transaction')
      // The cast is safe: a `Revision` yields a product, a `Removal` yields `undefined`.
      return publishAndReturn(result) as Result['product']
    },
  }
}
