import { sql } from 'kysely'
import type { Product } from '../domain/product.ts'
import { byId, type ProductReader, positionOf } from '../domain/product-reader.ts'
import { type Database, productColumns, summaryColumns } from './products-table.ts'
import { pageQuery } from './reading/page-query.ts'
import { productOf, summaryOf } from './reading/product-row.ts'

/**
 * Reads the first ten products by the statement of lists, and returns one of them; undefined if there is none. Throws
 * `UnreadableRow` only if none of them can be read: then a column was changed, not a single row damaged.
 */
export const readAnyProduct = async (database: Database): Promise<Product | undefined> => {
  const rows = await pageQuery(database, { sort: byId, limit: 9 }).execute()
  let unreadable: unknown
  for (const row of rows)
    try {
      return productOf(row)
    } catch (error) {
      unreadable ??= error
    }
  if (unreadable !== undefined) throw unreadable
  return undefined
}

const selectByIds = (database: Database, ids: readonly number[]) =>
  database.selectFrom('products').where('id', '=', sql<number>`any(${ids}::integer[])`).orderBy('id')

/**
 * Reads products from PostgreSQL or PGlite. Every listing that the routes offer reads a range of one index.
 */
export const postgresProductReader = (database: Database): ProductReader => ({
  find: async (id) => {
    const row = await database
      .selectFrom('products')
      .select(productColumns)
      .where('id', '=', id)
      .executeTakeFirst()
    return row && productOf(row)
  },

  findMany: async (ids) => (await selectByIds(database, ids).select(productColumns).execute()).map(productOf),

  findSummaries: async (ids) =>
    (await selectByIds(database, ids).select(summaryColumns).execute()).map(summaryOf),

  list: async (listing) => {
    const { sort, limit } = listing
    const rows = await pageQuery(database, listing).execute()
    const products = rows.slice(0, limit).map(productOf)
    const last = products.at(-1)
    if (rows.length <= limit || last === undefined) return { products }
    return { products, next: positionOf(last, sort) }
  },
})
