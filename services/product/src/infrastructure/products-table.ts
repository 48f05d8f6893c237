import { centsFromText, decimalText } from '@shop/kernel/money.ts'
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

export const productOf = (row: Row): Product => ({ ...row, price: centsFromText(row.price) })

/** Converts a product's fields to the columns that a write sets. */
export const rowOf = ({ name, description, price, stock, category }: ProductFields) =>
  ({
    name,
    description,
    price: decimalText(price),
    stock,
    category,
  }) satisfies Record<keyof ProductFields, unknown>
