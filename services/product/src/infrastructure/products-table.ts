import { decimalText } from '@shop/kernel/money.ts'
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
  group_id: string | null
}

/** The name of the column in an entry of `columns`. */
type NameOf<Column extends string> = Column extends `${infer Name} as ${string}` ? Name : Column
type FieldColumn = NameOf<(typeof columns)[keyof ProductFields]>

export type Tables = {
  products: Record<FieldColumn, unknown> &
    FieldColumns & {
      id: Generated<number>
      version: Generated<number>
      created_at: Timestamp
      updated_at: Timestamp
    }
}

export type Database = Kysely<Tables>

/** The columns of a product, under the names of the domain's fields. */
export const columns = {
  id: 'id',
  name: 'name',
  description: 'description',
  price: 'price',
  stock: 'stock',
  category: 'category',
  groupId: 'group_id as groupId',
  version: 'version',
  createdAt: 'created_at as createdAt',
  updatedAt: 'updated_at as updatedAt',
} as const satisfies Record<keyof Product, string>

export const productColumns = Object.values(columns)

/** All columns but the description, which the server then does not read from its out-of-line storage either. */
export const summaryColumns = productColumns.filter((column) => column !== columns.description)

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
export const rowOf = ({ name, description, price, stock, category, groupId }: ProductFields) =>
  ({
    name,
    description,
    price: decimalText(price),
    stock,
    category,
    group_id: groupId,
  }) satisfies Record<FieldColumn, unknown>
