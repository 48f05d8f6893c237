import { runText } from '@shop/postgres/statements/text.ts'
import type { Product } from '../domain/product.ts'
import { byId, type ProductListing, type ProductReader, positionOf } from '../domain/product-reader.ts'
import { type Database, productColumns, summaryColumns } from './products-table.ts'
import { byteLimitOf, pageQuery } from './reading/page-query.ts'
import { type ProductRow, productOf, type SummaryRow, summaryOf } from './reading/product-row.ts'

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

type Row = Awaited<ReturnType<ReturnType<typeof pageQuery>['execute']>>[number]

/** The rows of the page, and whether another page follows. Then the last row that was read is the first of that page. */
const pageOf = (rows: Row[], listing: ProductListing): Readonly<{ rows: Row[]; isLast: boolean }> => {
  const { limit } = listing
  if (rows.length > limit) return { rows: rows.slice(0, limit), isLast: false }
  const maxBytes = byteLimitOf(listing)
  if (maxBytes === undefined) return { rows, isLast: true }
  const bytes = rows.reduce((sum, { description }) => sum + Buffer.byteLength(description), 0)
  return bytes <= maxBytes
    ? { rows, isLast: true }
    : { rows: rows.slice(0, Math.max(1, rows.length - 1)), isLast: false }
}

const byIds = (columns: readonly string[]): string => `
select ${columns.map((column) => column.replace(/(\w+) as (\w+)/, '$1 as "$2"')).join(', ')} from "products"
where id = any($1::integer[]) order by id`

const productsByIds = byIds(productColumns)
const summariesByIds = byIds(summaryColumns)

/** Returns the products that exist; instead of one that cannot be read, the error. */
export const findEach = async (
  database: Database,
  ids: readonly number[],
): Promise<Map<number, Product | Error>> => {
  const rows = await runText<ProductRow>(database, productsByIds, [ids])
  return new Map(
    rows.map((row): [number, Product | Error] => {
      try {
        return [row.id, productOf(row)]
      } catch (error) {
        return [row.id, error instanceof Error ? error : new Error('unreadable', { cause: error })]
      }
    }),
  )
}

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

  findMany: async (ids) => (await runText<ProductRow>(database, productsByIds, [ids])).map(productOf),

  findSummaries: async (ids) => (await runText<SummaryRow>(database, summariesByIds, [ids])).map(summaryOf),

  list: async (listing) => {
    const { rows, isLast } = pageOf(await pageQuery(database, listing).execute(), listing)
    const products = rows.map(productOf)
    const last = products.at(-1)
    return isLast || last === undefined ? { products } : { products, next: positionOf(last, listing.sort) }
  },
})
