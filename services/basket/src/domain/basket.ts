import { type Expected, isExpected } from '@shop/kernel/expectation.ts'
import type { Cents } from '@shop/kernel/money.ts'
import {
  basketFull,
  basketNotFound,
  insufficientStock,
  lineFull,
  lineNotFound,
  staleBasket,
} from './errors.ts'
import type { CatalogProduct } from './product-catalog.ts'
import { isGuestId } from './user-id.ts'

/** One product in a basket, as the catalog described it when the line last changed. */
export type Line = Readonly<{
  productId: number
  name: string
  price: Cents
  category: string
  quantity: number
}>

export type Basket = Readonly<{
  id: string
  userId: string
  lines: readonly Line[]
  /** Counts the writes; 0 means not stored yet. */
  version: number
  createdAt: Date
  updatedAt: Date
  /** The time at which the basket expires. Every write moves it forward. */
  expiresAt: Date
  /** The latest writes with an idempotency key, the newest last (see `keyed-writes.ts`). Undefined if there was none. */
  keyedWrites?: string
}>

/** How long the basket of a guest lives while it is empty: anybody may create as many as the limits allow. */
const emptyGuestSeconds = 3_600

/** The maximum quantity of a line, and the maximum number of lines in a basket. */
export const limits = { quantity: 999, lines: 100 } as const

export const newBasket = (userId: string, id: string, now: Date): Basket => ({
  id,
  userId,
  lines: [],
  version: 0,
  createdAt: now,
  updatedAt: now,
  expiresAt: now,
})

export const subtotal = ({ price, quantity }: Line): Cents => price * BigInt(quantity)

export const total = ({ lines }: Basket): Cents => lines.reduce((sum, line) => sum + subtotal(line), 0n)

export const pieceCount = ({ lines }: Basket): number =>
  lines.reduce((sum, { quantity }) => sum + quantity, 0)

const quantityOf = ({ lines }: Basket, productId: number): number | undefined =>
  lines.find((line) => line.productId === productId)?.quantity

/**
 * Returns the basket with a line of `quantity` pieces of the product: in the position of its line, or at the end. Throws
 * `insufficient_stock` and `basket_full` as `withMore` does.
 */
export const withLine = (basket: Basket, product: CatalogProduct, quantity: number): Basket => {
  if (quantity > product.stock) throw insufficientStock(product.id, product.stock, quantity)
  if (quantity > limits.quantity) throw lineFull(limits.quantity, quantity)
  const { id: productId, name, price, category } = product
  const line = { productId, name, price, category, quantity }
  const index = basket.lines.findIndex((other) => other.productId === productId)
  if (index >= 0) return { ...basket, lines: basket.lines.with(index, line) }
  if (basket.lines.length >= limits.lines) throw basketFull(limits.lines)
  return { ...basket, lines: [...basket.lines, line] }
}

/**
 * Returns the basket with `quantity` more pieces of the product. The line takes the product's current name,
 * price and category. Throws `insufficient_stock` if the line's new quantity exceeds the stock, or
 * `basket_full` if the line or the basket would exceed its limit.
 */
export const withMore = (basket: Basket, product: CatalogProduct, quantity: number): Basket =>
  withLine(basket, product, (quantityOf(basket, product.id) ?? 0) + quantity)

/**
 * Returns the basket with the quantity of the product's line set to `quantity` (1 or more). Throws `not_found`
 * if there is no such line, and the errors of `withMore`.
 */
export const withQuantity = (basket: Basket, product: CatalogProduct, quantity: number): Basket => {
  if (quantityOf(basket, product.id) === undefined) throw lineNotFound(product.id)
  return withLine(basket, product, quantity)
}

/** Throws `not_found`. */
export const withoutLine = (basket: Basket, productId: number): Basket => {
  if (quantityOf(basket, productId) === undefined) throw lineNotFound(productId)
  return { ...basket, lines: basket.lines.filter((line) => line.productId !== productId) }
}

export const withoutLines = (basket: Basket): Basket => ({ ...basket, lines: [] })

/** How long the basket lives after a write, if baskets live for `ttlSeconds`. The empty basket of a guest lives for an hour at most. */
export const lifetimeSeconds = ({ userId, lines }: Basket, ttlSeconds: number): number =>
  lines.length === 0 && isGuestId(userId) ? Math.min(ttlSeconds, emptyGuestSeconds) : ttlSeconds

/** Returns the basket as a store writes it: with the next version and a new expiry time. */
export const nextVersion = (basket: Basket, ttlSeconds: number, now: Date): Basket => ({
  ...basket,
  version: basket.version + 1,
  updatedAt: now,
  expiresAt: new Date(now.getTime() + lifetimeSeconds(basket, ttlSeconds) * 1_000),
})

/** The state that a write can expect. The id distinguishes the basket from an earlier one of the same user. */
export type BasketState = Pick<Basket, 'id' | 'version'>

/** Throws `stale_version` unless the stored basket, or its absence, is as expected. */
export const requireExpected = (basket: Basket | undefined, expected: Expected<BasketState>): void => {
  const hasState = (stored: Basket, { id, version }: BasketState) =>
    stored.id === id && stored.version === version
  if (!isExpected(basket, expected, hasState)) throw staleBasket(basket?.version)
}

/** Returns the basket. Throws `not_found` if there is none, or `stale_version` if it is not as expected. */
export const requireExisting = (
  basket: Basket | undefined,
  expected: Expected<BasketState> = 'anything',
): Basket => {
  if (basket === undefined) throw basketNotFound()
  requireExpected(basket, expected)
  return basket
}

/**
 * Returns the stored basket, or `empty` if there is none. But a guest has a basket from the beginning: throws `not_found` for a
 * guest without one, so that nobody can choose the id of a guest. Throws `stale_version` if the stored basket, or its absence, is
 * not as expected.
 */
export const existingOrEmpty = (
  stored: Basket | undefined,
  empty: Basket,
  expected: Expected<BasketState>,
): Basket => {
  if (isGuestId(empty.userId)) return requireExisting(stored, expected)
  requireExpected(stored, expected)
  return stored ?? empty
}
