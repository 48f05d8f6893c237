import { decimalText } from '@shop/kernel/money.ts'
import { sql } from 'kysely'
import { type ProductFields, productNotFound } from '../domain/product.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
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
const lock = async (transaction: Database, id: number) => {
  const row = await transaction
    .selectFrom('products')
    .select(productColumns)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw productNotFound(id)
  return productOf(row)
}

/** Products in PostgreSQL, or in PGlite. A row lock keeps other writes out while a product changes. */
export const postgresProductRepository = (
  database: Database,
  onAbort: OnAbort = 'ignore query',
): ProductRepository => ({
  add: async (fields) =>
    productOf(
      await database
        .insertInto('products')
        .values(rowOf(fields))
        .returning(productColumns)
        .executeTakeFirstOrThrow(whileWanted(onAbort)),
    ),

  update: (id, change) =>
    transactionWhileWanted(database, onAbort, async (transaction) => {
      const changed = change(await lock(transaction, id))
      const row = await transaction
        .updateTable('products')
        .set({ ...rowOf(changed), version: sql`version + 1`, updated_at: sql`clock_timestamp()` })
        .where('id', '=', id)
        .returning(productColumns)
        .executeTakeFirstOrThrow()
      return productOf(row)
    }),

  remove: (id, precondition) =>
    transactionWhileWanted(database, onAbort, async (transaction) => {
      precondition(await lock(transaction, id))
      await transaction.deleteFrom('products').where('id', '=', id).execute()
    }),
})
