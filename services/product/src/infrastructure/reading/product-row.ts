import { type Cents, centsFromText, maxCents } from '@shop/kernel/money.ts'
import { characterCount } from '@shop/kernel/text.ts'
import { UnreadableRow } from '@shop/postgres/errors.ts'
import { limits, type Product } from '../../domain/product.ts'
import type { ProductSummary } from '../../domain/product-reader.ts'
import { columns } from '../products-table.ts'

/** A row selected with `productColumns`. */
export type ProductRow = Omit<Product, 'price'> & { price: string }
/** A row selected with `summaryColumns`. */
export type SummaryRow = Omit<ProductRow, 'description'>

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
  groupId: (groupId) => groupId === null || (groupId !== '' && isText(groupId, limits.groupId)),
  version: (version) => isInteger(version, 1),
  createdAt: isTime,
  updatedAt: isTime,
} as const satisfies Record<keyof ProductRow, (value: unknown) => boolean>

/** Written out, because a loop over the fields takes three times as long. */
const isReadable = (row: ProductRow): boolean =>
  isHeld.id(row.id) &&
  isHeld.name(row.name) &&
  isHeld.description(row.description) &&
  isHeld.price(row.price) &&
  isHeld.stock(row.stock) &&
  isHeld.category(row.category) &&
  isHeld.groupId(row.groupId) &&
  isHeld.version(row.version) &&
  isHeld.createdAt(row.createdAt) &&
  isHeld.updatedAt(row.updatedAt)

const unreadableRow = (row: ProductRow, cause?: unknown): UnreadableRow => {
  const fields = Object.keys(isHeld) as (keyof ProductRow)[]
  const field = fields.find((name) => !isHeld[name](row[name])) ?? 'price'
  const [column] = columns[field].split(' ')
  return new UnreadableRow(`the column ${column} of product ${row.id} cannot be read`, { cause })
}

const centsOf = (row: ProductRow): Cents => {
  try {
    return centsFromText(row.price)
  } catch (cause) {
    throw unreadableRow(row, cause)
  }
}

/** Throws `UnreadableRow` if a value is not one that the migrated table can hold, so prices are never misread. */
export const productOf = (row: ProductRow): Product => {
  if (!isReadable(row)) throw unreadableRow(row)
  const price = centsOf(row)
  if (price < 0n || price > maxCents) throw unreadableRow(row)
  return { ...row, price }
}

/** Like `productOf`, for a row selected with `summaryColumns`. */
export const summaryOf = (row: SummaryRow): ProductSummary => {
  const { description: _, ...summary } = productOf({ ...row, description: '' })
  return summary
}
