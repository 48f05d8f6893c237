import { decimalText } from '@shop/kernel/money.ts'
import type { ProductFields } from '../../domain/product.ts'
import type { FieldColumn } from '../products-table.ts'

type WrittenColumn = Readonly<{
  column: FieldColumn
  type: 'text' | 'numeric' | 'integer'
  valueOf: (fields: ProductFields) => unknown
}>

/** The column of each field as a write sets it: its type, and the value that the driver sends. */
const written = {
  name: { column: 'name', type: 'text', valueOf: ({ name }) => name },
  description: { column: 'description', type: 'text', valueOf: ({ description }) => description },
  price: { column: 'price', type: 'numeric', valueOf: ({ price }) => decimalText(price) },
  stock: { column: 'stock', type: 'integer', valueOf: ({ stock }) => stock },
  category: { column: 'category', type: 'text', valueOf: ({ category }) => category },
  groupId: { column: 'group_id', type: 'text', valueOf: ({ groupId }) => groupId },
} as const satisfies Record<keyof ProductFields, WrittenColumn>

const columns: readonly WrittenColumn[] = Object.values(written)

/** The names of the columns, for the texts of statements. */
export const columnNames = columns.map(({ column }) => column).join(', ')

/** The same names as columns of a table. */
export const columnNamesOf = (table: string): string =>
  columns.map(({ column }) => `${table}.${column}`).join(', ')

/** The parameters for the values of one product, the first at this position. */
export const parameters = (first: number): string => columns.map((_, index) => `$${first + index}`).join(', ')

/** The parameters for the values of several products, one array for each column. */
export const arrayParameters = (first: number): string =>
  columns.map(({ type }, index) => `$${first + index}::${type}[]`).join(', ')

/** The values of `parameters`. */
export const valuesOf = (fields: ProductFields): unknown[] => columns.map(({ valueOf }) => valueOf(fields))

/** The values of `arrayParameters`. */
export const arraysOf = (products: readonly ProductFields[]): unknown[][] =>
  columns.map(({ valueOf }) => products.map(valueOf))

/**
 * A time in milliseconds. What a write returns are integers: reading anything else could fail after the commit. A time that
 * is not finite fails on the server, which then stores nothing.
 */
export const milliseconds = (time: string): string => `floor(extract(epoch from ${time}) * 1000)::bigint`
