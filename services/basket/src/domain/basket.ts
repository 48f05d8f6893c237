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
  /** When the store removes it, unless it is written to before. */
  expiresAt: Date
}>

/** At most this many pieces in a line, and lines in a basket. */
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

/** The line at its place, or at the end when it is new. */
const withLine = (basket: Basket, product: CatalogProduct, quantity: number): Basket => {
  if (quantity > product.stock) throw insufficientStock(product.id, product.stock, quantity)
  if (quantity > limits.quantity) throw lineFull(limits.quantity, quantity)
  const { id: productId, name, price, category } = product
  const line = { productId, name, price, category, quantity }
  const at = basket.lines.findIndex((other) => other.productId === productId)
  if (at >= 0) return { ...basket, lines: basket.lines.with(at, line) }
  if (basket.lines.length >= limits.lines) throw basketFull(limits.lines)
  return { ...basket, lines: [...basket.lines, line] }
}

/**
 * The basket with `quantity` more of the product, which is described anew. Throws `insufficient_stock` or `basket_full`
 * by the quantity that results.
 */
export const withMore = (basket: Basket, product: CatalogProduct, quantity: number): Basket =>
  withLine(basket, product, (quantityOf(basket, product.id) ?? 0) + quantity)

/** The basket with `quantity` (1 or more) of a product that is in it. Throws `not_found`, and what `withMore` throws. */
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

/** The basket as a store keeps it after a write: the next version, with its life renewed. */
export const nextVersion = (basket: Basket, ttlSeconds: number, now: Date): Basket => ({
  ...basket,
  version: basket.version + 1,
  updatedAt: now,
  expiresAt: new Date(now.getTime() + ttlSeconds * 1_000),
})

/** What a write can expect of a basket. The id tells it from an earlier basket of the same user. */
export type BasketState = Pick<Basket, 'id' | 'version'>

/** Throws `stale` unless what is stored, or that nothing is, is as expected. */
export const requireExpected = (basket: Basket | undefined, expected: Expected<BasketState>): void => {
  const isIn = (stored: Basket, { id, version }: BasketState) =>
    stored.id === id && stored.version === version
  if (!isExpected(basket, expected, isIn)) throw staleBasket(basket?.version)
}

/** The basket when there is one, and it is as expected. Throws `not_found` or `stale`. */
export const requireExisting = (
  basket: Basket | undefined,
  expected: Expected<BasketState> = 'anything',
): Basket => {
  if (basket === undefined) throw basketNotFound()
  requireExpected(basket, expected)
  return basket
}
