import { decimalText } from '@shop/kernel/money.ts'
import { sql } from 'kysely'
import { type Product, type ProductFields, productNotFound } from '../domain/product.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { coalescedFind } from './coalesced-product-reader.ts'
import { postgresProductReader } from './postgres-product-reader.ts'
import { type Database, productColumns, productOf } from './products-table.ts'
import { type OnAbort, transactionWhileWanted, whileWanted } from './while-wanted.ts'

const rowOf = ({ name, description, price, stock, category }: ProductFields) => ({
  name,
  description,
  price: decimalText(price),
  stock,
  category,
})

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

/**
 * Products in PostgreSQL, or in PGlite. A write reads the product, together with what others read, and takes effect if
 * nobody has changed it since. When somebody has, it is done again with the row locked, which keeps others out.
 */
export const postgresProductRepository = (
  database: Database,
  onAbort: OnAbort = 'ignore query',
): ProductRepository => {
  const find = coalescedFind(postgresProductReader(database, onAbort))
  const read = async (id: number): Promise<Product> => {
    const product = await find(id)
    if (product === undefined) throw productNotFound(id)
    return product
  }
  const whileLocked = <Result>(
    id: number,
    write: (transaction: Database, stored: Product) => Promise<Result>,
  ): Promise<Result> =>
    transactionWhileWanted(database, onAbort, async (transaction) =>
      write(transaction, await lock(transaction, id)),
    )

  return {
    add: async (fields) =>
      productOf(
        await database
          .insertInto('products')
          .values(rowOf(fields))
          .returning(productColumns)
          .executeTakeFirstOrThrow(whileWanted(onAbort)),
      ),

    update: async (id, change) => {
      const seen = await read(id)
      const written = await updateOne(database, seen, change(seen)).executeTakeFirst(whileWanted(onAbort))
      if (written !== undefined) return productOf(written)
      return whileLocked(id, async (transaction, stored) =>
        productOf(await updateOne(transaction, stored, change(stored)).executeTakeFirstOrThrow()),
      )
    },

    remove: async (id, precondition) => {
      const stored = await read(id)
      precondition(stored)
      if (await deleteOne(database, stored).executeTakeFirst(whileWanted(onAbort))) return
      await whileLocked(id, async (transaction, current) => {
        precondition(current)
        await deleteOne(transaction, current).execute()
      })
    },
  }
}
