import { type Cents, centsFromText, decimalText, maxCents } from '@shop/kernel/money.ts'
import { characterCount } from '@shop/kernel/text.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import { type ColumnType, type Generated, type Kysely, sql } from 'kysely'
import { limits, type Product, type ProductFields } from '../domain/product.ts'

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

/** The times that RFC 3339 and the protocol buffers can represent. */
const times = { first: Date.parse('0001-01-01T00:00:00Z'), last: Date.parse('9999-12-31T23:59:59.999Z') }

const isTime = (value: unknown): boolean =>
  value instanceof Date && value.getTime() >= times.first && value.getTime() <= times.last

const isInteger = (value: unknown, least: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= limits.integer

/** Characters are only counted if the length in code units, which is at least as large, exceeds the limit. */
const isText = (value: unknown, limit: number): boolean =>
  typeof value === 'string' && (value.length <= limit || characterCount(value) <= limit)

/**
 * Whether the migrated column can hold a value. A column or its checks may have been altered since. The price is
 * checked when it is converted.
 */
const isHeld = {
  id: (id) => isInteger(id, 1),
  name: (name) => name !== '' && isText(name, limits.name),
  description: (description) => isText(description, limits.description),
  price: (price) => typeof price === 'string',
  stock: (stock) => isInteger(stock, 0),
  category: (category) => isText(category, limits.category),
  version: (version) => isInteger(version, 1),
  createdAt: isTime,
  updatedAt: isTime,
} as const satisfies Record<keyof Row, (value: unknown) => boolean>

/** Written out, because a loop over the fields takes three times as long. */
const isReadable = (row: Row): boolean =>
  isHeld.id(row.id) &&
  isHeld.name(row.name) &&
  isHeld.description(row.description) &&
  isHeld.price(row.price) &&
  isHeld.stock(row.stock) &&
  isHeld.category(row.category) &&
  isHeld.version(row.version) &&
  isHeld.createdAt(row.createdAt) &&
  isHeld.updatedAt(row.updatedAt)

const unreadableRow = (row: Row, cause?: unknown): UnreadableRow => {
  const fields = Object.keys(isHeld) as (keyof Row)[]
  const field = fields.find((name) => !isHeld[name](row[name])) ?? 'price'
  const [column] = columns[field].split(' ')
  return new UnreadableRow(`the column ${column} of product ${row.id} cannot be read`, { cause })
}

const centsOf = (row: Row): Cents => {
  try {
    return centsFromText(row.price)
  } catch (cause) {
    throw unreadableRow(row, cause)
  }
}

/** Throws `UnreadableRow` if a value is not one that the migrated table can hold, so prices are never misread. */
export const productOf = (row: Row): Product => {
  if (!isReadable(row)) throw unreadableRow(row)
  const price = centsOf(row)
  if (price < 0n || price > maxCents) throw unreadableRow(row)
  return { ...row, price }
}

const milliseconds = (column: 'created_at' | 'updated_at') =>
  sql<number>`floor(extract(epoch from ${sql.ref(column)}) * 1000)::bigint`

/**
 * What the database assigns to a product that is written. A write returns only these columns and the id, all of
 * them integers: reading anything else could fail after the commit. The fields are known, and a time that is not
 * finite fails on the server, which then stores nothing.
 */
export const assignedColumns = [
  columns.version,
  milliseconds('created_at').as('createdAt'),
  milliseconds('updated_at').as('updatedAt'),
] as const

type AssignedRow = Readonly<Record<'id' | 'version' | 'createdAt' | 'updatedAt', number>>

/** Returns the product of a write, from its fields and its id and `assignedColumns`. */
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
