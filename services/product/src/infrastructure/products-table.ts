import { centsFromText, decimalText } from '@shop/kernel/money.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import { type ColumnType, type Generated, type Kysely, sql } from 'kysely'
import type { Product, ProductFields } from '../domain/product.ts'

type Timestamp = ColumnType<Date, never, Date>

/** The type of each field's column. */
type FieldColumns = {
  name: string
  description: string
  /** A decimal string with two decimal places, both read and written. */
  price: string
  stock: number
  category: string
}

export type Tables = {
  products: Record<keyof ProductFields, unknown> &
    FieldColumns & {
      id: Generated<number>
      version: Generated<number>
      created_at: Timestamp
      updated_at: Timestamp
    }
}

export type Database = Kysely<Tables>

/** The columns of a product, under the names of the domain's fields. */
const columns = {
  id: 'id',
  name: 'name',
  description: 'description',
  price: 'price',
  stock: 'stock',
  category: 'category',
  version: 'version',
  createdAt: 'created_at as createdAt',
  updatedAt: 'updated_at as updatedAt',
} as const satisfies Record<keyof Product, string>

export const productColumns = Object.values(columns)

/** A row selected with `productColumns`. */
type Row = Omit<Product, 'price'> & { price: string }

const isTime = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime())

const isText = (value: unknown): boolean => typeof value === 'string'

/** Whether a value has the type of the migrated column. A column may have been altered since. */
const hasType = {
  id: Number.isInteger,
  name: isText,
  description: isText,
  price: isText,
  stock: Number.isInteger,
  category: isText,
  version: Number.isInteger,
  createdAt: isTime,
  updatedAt: isTime,
} as const satisfies Record<keyof Row, (value: unknown) => boolean>

/** Written out, because a loop over the fields takes three times as long. */
const isReadable = (row: Row): boolean =>
  hasType.id(row.id) &&
  hasType.name(row.name) &&
  hasType.description(row.description) &&
  hasType.price(row.price) &&
  hasType.stock(row.stock) &&
  hasType.category(row.category) &&
  hasType.version(row.version) &&
  hasType.createdAt(row.createdAt) &&
  hasType.updatedAt(row.updatedAt)

const unreadableRow = (row: Row, cause?: unknown): UnreadableRow => {
  const fields = Object.keys(hasType) as (keyof Row)[]
  const field = fields.find((name) => !hasType[name](row[name])) ?? 'price'
  const [column] = columns[field].split(' ')
  return new UnreadableRow(`the column ${column} of product ${row.id} cannot be read`, { cause })
}

/** Throws `UnreadableRow` if a value is not one that the migrated table can hold, so prices are never misread. */
export const productOf = (row: Row): Product => {
  if (!isReadable(row)) throw unreadableRow(row)
  try {
    return { ...row, price: centsFromText(row.price) }
  } catch (cause) {
    throw unreadableRow(row, cause)
  }
}

const milliseconds = (column: 'created_at' | 'updated_at') =>
  sql<number>`floor(extract(epoch from ${sql.ref(column)}) * 1000)::bigint`

/**
 * What the database assigns to a product that is written. A write returns only these columns, all of them
 * integers: reading anything else could fail after the commit. The fields are known, and a time that is not
 * finite fails on the server, which then stores nothing.
 */
export const assignedColumns = [
  columns.id,
  columns.version,
  milliseconds('created_at').as('createdAt'),
  milliseconds('updated_at').as('updatedAt'),
] as const

type AssignedRow = Readonly<Record<'id' | 'version' | 'createdAt' | 'updatedAt', number>>

/** Returns the product of a write, from its fields and a row of `assignedColumns`. */
export const writtenProduct = (
  fields: ProductFields,
  { id, version, createdAt, updatedAt }: AssignedRow,
): Product => ({
  ...fields,
  id,
  version,
  createdAt: new Date(createdAt),
  updatedAt: new Date(updatedAt),
})

/** Converts a product's fields to the columns that a write sets. */
export const rowOf = ({ name, description, price, stock, category }: ProductFields) =>
  ({
    name,
    description,
    price: decimalText(price),
    stock,
    category,
  }) satisfies Record<keyof ProductFields, unknown>
