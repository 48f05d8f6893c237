import { cancelWithCaller, type OnAbort, transactionWithCaller } from '@shop/postgres/cancellation.ts'
import { sql } from 'kysely'
import { productNotFound } from '../domain/errors.ts'
import type { Product } from '../domain/product.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { batchedFind } from './batched-product-reader.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { type Database, productColumns, productOf, rowOf } from './products-table.ts'

/** The row, which no other transaction can write until this one ends. */
const lock = async (transaction: Database, id: number): Promise<Product> => {
  const row = await transaction
    .selectFrom('products')
    .select(productColumns)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw productNotFound(id)
  return productOf(row)
}

/** Id and version are those that are stored, whatever the change says. */
const updateOne = (database: Database, { id, version }: Product, changed: Product) =>
  database
    .updateTable('products')
    .set({ ...rowOf(changed), version: sql`version + 1`, updated_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .where('version', '=', version)
    .returning(productColumns)

const deleteOne = (database: Database, { id, version }: Product) =>
  database.deleteFrom('products').where('id', '=', id).where('version', '=', version).returning('id')

/** Runs the write with the row locked, so that no other write comes between. */
const whileLocked = <Result>(
  database: Database,
  onAbort: OnAbort,
  id: number,
  write: (transaction: Database, stored: Product) => Promise<Result>,
): Promise<Result> =>
  transactionWithCaller(database, onAbort, async (transaction) =>
    write(transaction, await lock(transaction, id)),
  )

/**
 * Products in PostgreSQL, or in PGlite. A write reads the product, together with what others read, and takes effect if
 * nobody has changed it since. When somebody has, it is done again with the row locked, which keeps others out.
 */
export const postgresProductRepository = (
  database: Database,
  onAbort: OnAbort = 'ignore query',
): ProductRepository => {
  const find = batchedFind(postgresProductReader(database, onAbort))
  const read = async (id: number): Promise<Product> => {
    const product = await find(id)
    if (product === undefined) throw productNotFound(id)
    return product
  }

  return {
    add: async (fields) => {
      const insert = database.insertInto('products').values(rowOf(fields)).returning(productColumns)
      return productOf(await insert.executeTakeFirstOrThrow(cancelWithCaller(onAbort)))
    },

    update: async (id, change) => {
      const seen = await read(id)
      const written = await updateOne(database, seen, change(seen)).executeTakeFirst(
        cancelWithCaller(onAbort),
      )
      if (written !== undefined) return productOf(written)
      return whileLocked(database, onAbort, id, async (transaction, stored) =>
        productOf(await updateOne(transaction, stored, change(stored)).executeTakeFirstOrThrow()),
      )
    },

    remove: async (id, precondition) => {
      const stored = await read(id)
      precondition(stored)
      if (await deleteOne(database, stored).executeTakeFirst(cancelWithCaller(onAbort))) return
      await whileLocked(database, onAbort, id, async (transaction, current) => {
        precondition(current)
        await deleteOne(transaction, current).execute()
      })
    },
  }
}
