import { sql } from 'kysely'
import type { Creation, Product, Removal, Revision } from '../domain/product.ts'
import type { ProductEvent, PublishedProductEvent } from '../domain/product-events.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { batchedFind } from './batched-product-reader.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { type Database, productColumns, productOf, rowOf } from './products-table.ts'

/** The row, which no other transaction can write until this one ends. */
const lock = async (transaction: Database, id: number): Promise<Product | undefined> => {
  const row = await transaction
    .selectFrom('products')
    .select(productColumns)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row && productOf(row)
}

/** Id and version are those that are stored, whatever the change says. */
const updateOne = async (database: Database, { id, version }: Product, changed: Product) => {
  const row = await database
    .updateTable('products')
    .set({ ...rowOf(changed), version: sql`version + 1`, updated_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .where('version', '=', version)
    .returning(productColumns)
    .executeTakeFirst()
  return row && productOf(row)
}

const deleteOne = async (database: Database, { id, version }: Product): Promise<boolean> => {
  const deletion = database.deleteFrom('products').where('id', '=', id).where('version', '=', version)
  return (await deletion.returning('id').executeTakeFirst()) !== undefined
}

/** What a write has done: the product as it is stored now, or that there is none, and what happened by it. */
type Written = Readonly<{ product: Product | undefined; events: readonly PublishedProductEvent[] }>

const published = (events: readonly ProductEvent[], { id, version }: Product): PublishedProductEvent[] =>
  events.map((event) => ({ ...event, productId: id, version }))

/** Puts what the change makes of the product in its place; undefined when another write came first. */
const writeOnce = async (
  database: Database,
  stored: Product | undefined,
  { product: changed, events }: Revision | Removal,
): Promise<Written | undefined> => {
  if (stored === undefined) {
    if (changed !== undefined) throw new Error('update() cannot create a product')
    return { product: undefined, events: [] }
  }
  if (changed === undefined)
    return (await deleteOne(database, stored))
      ? { product: undefined, events: published(events, stored) }
      : undefined
  const product = await updateOne(database, stored, changed)
  return product && { product, events: published(events, product) }
}

/**
 * Products in PostgreSQL, or in PGlite. A write reads the product, together with what others read, and takes effect if
 * nobody has changed it since. When somebody has, it is done again with the row locked, which keeps others out. `publish`
 * gets the events of a write when it is committed.
 */
export const postgresProductRepository = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
): ProductRepository => {
  const find = batchedFind(postgresProductReader(database))
  const done = <Done extends Written>({ product, events }: Done): Done['product'] => {
    publish(events)
    return product
  }

  return {
    add: async ({ fields, events }: Creation) => {
      const insert = database.insertInto('products').values(rowOf(fields)).returning(productColumns)
      const product = productOf(await insert.executeTakeFirstOrThrow())
      return done({ product, events: published(events, product) })
    },

    update: async <Result extends Revision | Removal>(
      id: number,
      change: (stored: Product | undefined) => Result,
    ) => {
      const seen = await find(id)
      const written =
        (await writeOnce(database, seen, change(seen))) ??
        (await database.transaction().execute(async (transaction) => {
          const stored = await lock(transaction, id)
          return writeOnce(transaction, stored, change(stored))
        }))
      if (written === undefined) throw new Error('a locked product was written by another transaction')
      // A product stays one and `undefined` stays `undefined`.
      return done(written) as Result['product']
    },
  }
}
