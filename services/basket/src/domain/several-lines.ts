import { AppError } from '@shop/kernel/errors.ts'
import { type Basket, withLine, withMore } from './basket.ts'
import { type LineRefusal, linesRefused, productNotFound } from './errors.ts'
import type { CatalogProduct, ProductsById } from './product-catalog.ts'

/** How many pieces of a product to add, or to have. */
export type LineQuantity = Readonly<{ productId: number; quantity: number }>

const productIn = (products: ProductsById, productId: number): CatalogProduct => {
  const product = products.get(productId)
  if (product === undefined) throw productNotFound(productId)
  return product
}

/** Makes one change after the other. If any of them is refused, throws the error that has all refusals. */
const changedByEach = (
  basket: Basket,
  quantities: readonly LineQuantity[],
  change: (basket: Basket, quantity: LineQuantity) => Basket,
): Basket => {
  const refusals: LineRefusal[] = []
  let changed = basket
  for (const [index, quantity] of quantities.entries())
    try {
      changed = change(changed, quantity)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      refusals.push({ index, error })
    }
  const [first, ...others] = refusals
  if (first !== undefined) throw linesRefused([first, ...others])
  return changed
}

/**
 * Returns the basket with more pieces of each product. If a line is refused, throws the error of the first one, with the refusals of
 * all: `product_not_found` if the product is not among `products`, or an error of `withMore`. Of the lines that do not fit into the
 * basket, the last are refused.
 */
export const withMoreOfEach = (
  basket: Basket,
  quantities: readonly LineQuantity[],
  products: ProductsById,
): Basket =>
  changedByEach(basket, quantities, (changed, { productId, quantity }) =>
    withMore(changed, productIn(products, productId), quantity),
  )

/**
 * Returns the basket with these quantities of distinct products, and throws as `withMoreOfEach` does. 0 removes the line, if there is
 * one, and needs no product. Removals come first: the order of the lines does not decide whether they fit into the basket.
 */
export const withQuantities = (
  basket: Basket,
  quantities: readonly LineQuantity[],
  products: ProductsById,
): Basket => {
  const removed = new Set(
    quantities.filter(({ quantity }) => quantity === 0).map(({ productId }) => productId),
  )
  const lines = basket.lines.filter(({ productId }) => !removed.has(productId))
  return changedByEach({ ...basket, lines }, quantities, (changed, { productId, quantity }) =>
    quantity === 0 ? changed : withLine(changed, productIn(products, productId), quantity),
  )
}
