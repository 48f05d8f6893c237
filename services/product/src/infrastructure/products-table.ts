import { centsFromText } from '@shop/kernel/money.ts'
import type { ColumnType, Generated, Kysely } from 'kysely'
import type { Product } from '../domain/product.ts'

type Timestamp = ColumnType<Date, never, Date>

export type Tables = {
  products: {
    id: Generated<number>
    name: string
    description: string
    /** A decimal text with two decimals, both ways. */
    price: string
    stock: number
    category: string
    version: Generated<number>
    created_at: Timestamp
    updated_at: Timestamp
  }
}

export type Database = Kysely<Tables>

/** The columns of a product, named in the domain's words. */
export const productColumns = [
  'id',
  'name',
  'description',
  'price',
  'stock',
  'category',
  'version',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const

export const productOf = (row: Omit<Product, 'price'> & { price: string }): Product => ({
  ...row,
  price: centsFromText(row.price),
})
