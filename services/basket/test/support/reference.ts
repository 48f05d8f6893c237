import * as fc from 'fast-check'
import {
  type Basket,
  type Line,
  withMore,
  withoutLine,
  withoutLines,
  withQuantity,
} from '../../src/domain/basket.ts'
import type { CatalogProduct } from '../../src/domain/product-catalog.ts'

export type Operation = Readonly<
  | { kind: 'add' | 'set'; product: CatalogProduct; quantity: number }
  | { kind: 'remove'; productId: number }
  | { kind: 'clear' }
>

/** A reference model of a basket for random operations: its lines by product id, in order. */
export type Reference = Map<number, Line>

const productId = fc.integer({ min: 1, max: 4 })

const product: fc.Arbitrary<CatalogProduct> = fc.record({
  id: productId,
  name: fc.string({ unit: 'grapheme', maxLength: 10 }),
  price: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
  category: fc.string({ maxLength: 5 }),
  stock: fc.oneof(fc.nat(20), fc.nat(2_147_483_647)),
})

/** Few products, so that operations often affect the same line. Quantities are below and above stock and limits. */
export const randomOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('add', 'set'),
      product,
      quantity: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 999 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), productId }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear') }) },
)

/** Performs the operation on the reference. If it must fail, changes nothing and returns the expected error code. */
export const performOn = (reference: Reference, operation: Operation): string | undefined => {
  if (operation.kind === 'clear') {
    reference.clear()
    return undefined
  }
  if (operation.kind === 'remove') return reference.delete(operation.productId) ? undefined : 'not_found'
  const { id, name, price, category, stock } = operation.product
  const line = reference.get(id)
  if (operation.kind === 'set' && line === undefined) return 'not_found'
  const quantity = operation.quantity + (operation.kind === 'add' ? (line?.quantity ?? 0) : 0)
  if (quantity > stock) return 'insufficient_stock'
  if (quantity > 999 || (line === undefined && reference.size === 100)) return 'basket_full'
  reference.set(id, { productId: id, name, price, category, quantity })
  return undefined
}

/** Performs the operation on a basket. */
export const apply = (basket: Basket, operation: Operation): Basket => {
  if (operation.kind === 'clear') return withoutLines(basket)
  if (operation.kind === 'remove') return withoutLine(basket, operation.productId)
  const change = operation.kind === 'add' ? withMore : withQuantity
  return change(basket, operation.product, operation.quantity)
}
