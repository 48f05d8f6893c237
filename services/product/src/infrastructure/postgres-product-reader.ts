import { decimalText } from '@shop/kernel/money.ts'
import { type Expression, sql } from 'kysely'
import { limits } from '../domain/product.ts'
import type { Position, ProductListing, ProductReader, ProductSort } from '../domain/product-reader.ts'
import { type Database, productColumns, productOf } from './products-table.ts'
import { type OnAbort, whileWanted } from './while-wanted.ts'

type Column = 'id' | 'price' | 'stock' | 'name' | 'created_at'

const orders: Record<ProductSort, readonly [column: Column, direction: 'asc' | 'desc']> = {
  id: ['id', 'asc'],
  '-id': ['id', 'desc'],
  price: ['price', 'asc'],
  '-price': ['price', 'desc'],
  stock: ['stock', 'asc'],
  '-stock': ['stock', 'desc'],
  name: ['name', 'asc'],
  '-name': ['name', 'desc'],
  created_at: ['created_at', 'asc'],
  '-created_at': ['created_at', 'desc'],
}

/** The position's key, typed for its column, so that the comparison can use the column's index. */
const keyValue = (column: Column, key: Position['key']): Expression<unknown> => {
  const types = {
    id: 'integer',
    price: 'numeric',
    stock: 'integer',
    name: 'text',
    created_at: 'timestamptz',
  } as const
  return sql`cast(${typeof key === 'bigint' ? decimalText(key) : key} as ${sql.raw(types[column])})`
}

/** What lies behind the position, in the order of the list. */
const beyond = ([column, direction]: (typeof orders)[ProductSort], { key, id }: Position) => {
  const operator = sql.raw(direction === 'asc' ? '>' : '<')
  return column === 'id'
    ? sql<boolean>`id ${operator} ${id}`
    : sql<boolean>`(${sql.ref(column)}, id) ${operator} (${keyValue(column, key)}, ${id})`
}

/**
 * The products of a category behind an id, as a range of the index that begins with the category. By an equality the
 * planner may as well walk all ids and throw away those of other categories.
 */
const inCategory = (category: string, id: number) =>
  sql<boolean>`(category, id) > (${category}, ${id}) and (category, id) <= (${category}, ${limits.integer})`

/** Products from PostgreSQL, or from PGlite. Every list is a range of one index, whichever page it is. */
export const postgresProductReader = (
  database: Database,
  onAbort: OnAbort = 'ignore query',
): ProductReader => ({
  find: async (id) => {
    const row = await database
      .selectFrom('products')
      .select(productColumns)
      .where('id', '=', id)
      .executeTakeFirst(whileWanted(onAbort))
    return row && productOf(row)
  },

  findMany: async (ids) => {
    const rows = await database
      .selectFrom('products')
      .select(productColumns)
      .where('id', '=', sql<number>`any(${ids}::integer[])`)
      .orderBy('id')
      .execute(whileWanted(onAbort))
    return rows.map(productOf)
  },

  list: async ({ sort, maxStock, category, after, limit }: ProductListing) => {
    const [column, direction] = orders[sort]
    // One more than asked for tells whether there is a next page.
    let query = database
      .selectFrom('products')
      .select(productColumns)
      .limit(limit + 1)
    if (maxStock !== undefined) query = query.where('stock', '<=', maxStock)
    if (category !== undefined && sort === 'id') {
      query = query
        .where(inCategory(category, after?.id ?? 0))
        .orderBy('category')
        .orderBy('id')
    } else {
      if (category !== undefined) query = query.where('category', '=', category)
      if (after !== undefined) query = query.where(beyond(orders[sort], after))
      query = query.orderBy(column, direction)
      if (column !== 'id') query = query.orderBy('id', direction)
    }
    const rows = await query.execute(whileWanted(onAbort))
    const products = rows.slice(0, limit).map(productOf)
    const last = products.at(-1)
    if (rows.length <= limit || last === undefined) return { products }
    return { products, next: { key: last[column === 'created_at' ? 'createdAt' : column], id: last.id } }
  },
})
