import type { ColumnType, Generated, Kysely } from 'kysely'
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
export type FieldColumn = NameOf<(typeof columns)[keyof ProductFields]>

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
