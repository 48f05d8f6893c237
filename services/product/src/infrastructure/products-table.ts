import { centsFromText, decimalText } from '@shop/kernel/money.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
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

const isTime = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime())

/** Whether the values have the types of the migrated columns. A column may have been altered since. */
const isReadable = ({
  id,
  price,
  stock,
  version,
  createdAt,
  updatedAt,
}: Record<keyof Row, unknown>): boolean =>
  Number.isInteger(id) &&
  Number.isInteger(stock) &&
  Number.isInteger(version) &&
  typeof price === 'string' &&
  /^\d+\.\d\d$/.test(price) &&
  isTime(createdAt) &&
  isTime(updatedAt)

/** Throws `UnreadableRow` if the row has other types than the migrated table, so prices are never misread. */
export const productOf = (row: Row): Product => {
  if (!isReadable(row)) throw new UnreadableRow(`the row of product ${row.id} is not as migrated`)
  return { ...row, price: centsFromText(row.price) }
}

/** Converts a product's fields to the columns that a write sets. */
export const rowOf = ({ name, description, price, stock, category }: ProductFields) =>
  ({
    name,
    description,
    price: decimalText(price),
    stock,
    category,
  }) satisfies Record<keyof ProductFields, unknown>
