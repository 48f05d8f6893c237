import { decimalText } from '@shop/kernel/money.ts'
import { sql } from 'kysely'
import { limits, type Product } from '../domain/product.ts'
import {
  byId,
  type Position,
  type ProductListing,
  type ProductReader,
  type ProductSort,
  positionOf,
  type SortKey,
} from '../domain/product-reader.ts'
import { type Database, productColumns, productOf, type Tables } from './products-table.ts'

const identity = (key: unknown): unknown => key

type SortColumns = {
  readonly [Key in SortKey]: Readonly<{
    column: keyof Tables['products']
    type: string
    /** Converts the key of a position to a value of the column. */
    encode: (key: Product[Key]) => unknown
  }>
}

/** The column for each sort key. */
const sortColumns = {
  id: { column: 'id', type: 'integer', encode: identity },
  price: { column: 'price', type: 'numeric', encode: decimalText },
  stock: { column: 'stock', type: 'integer', encode: identity },
  name: { column: 'name', type: 'text', encode: identity },
  createdAt: { column: 'created_at', type: 'timestamptz', encode: identity },
} as const satisfies SortColumns

/** The condition for rows after the position, in the order of the list. */
const isAfter = ({ by, descending }: ProductSort, { key, id }: Position) => {
  const operator = sql.raw(descending ? '<' : '>')
  const { column, type } = sortColumns[by]
  // A position belongs to one listing, so its key has the type of that listing's sort column.
  const encode = sortColumns[by].encode as (value: Position['key']) => unknown
  // The cast to the column's type lets the comparison use the column's index.
  return by === 'id'
    ? sql<boolean>`id ${operator} ${id}`
    : sql<boolean>`(${sql.ref(column)}, id) ${operator} (cast(${encode(key)} as ${sql.raw(type)}), ${id})`
}

/**
 * The condition for products of a category after an id, as a range of the index on (category, id). With
 * `category = …` the planner might instead scan all ids and discard products of other categories.
 */
const inCategoryAfter = (category: string, id: number) =>
  sql<boolean>`(category, id) > (${category}, ${id}) and (category, id) <= (${category}, ${limits.integer})`

/** Selects the rows of a page and one more, which shows whether there is a next page. */
const pageQuery = (database: Database, { sort, maxStock, category, after, limit }: ProductListing) => {
  const { column } = sortColumns[sort.by]
  const direction = sort.descending ? 'desc' : 'asc'
  let query = database
    .selectFrom('products')
    .select(productColumns)
    .limit(limit + 1)
  if (maxStock !== undefined) query = query.where('stock', '<=', maxStock)
  if (category !== undefined && sort.by === 'id' && !sort.descending)
    return query
      .where(inCategoryAfter(category, after?.id ?? 0))
      .orderBy('category')
      .orderBy('id')
  if (category !== undefined) query = query.where('category', '=', category)
  if (after !== undefined) query = query.where(isAfter(sort, after))
  query = query.orderBy(column, direction)
  return column === 'id' ? query : query.orderBy('id', direction)
}

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

  findMany: async (ids) => {
    const rows = await database
      .selectFrom('products')
      .select(productColumns)
      .where('id', '=', sql<number>`any(${ids}::integer[])`)
      .orderBy('id')
      .execute()
    return rows.map(productOf)
  },

  list: async (listing) => {
    const { sort, limit } = listing
    const rows = await pageQuery(database, listing).execute()
    const products = rows.slice(0, limit).map(productOf)
    const last = products.at(-1)
    if (rows.length <= limit || last === undefined) return { products }
    return { products, next: positionOf(last, sort) }
  },
})
