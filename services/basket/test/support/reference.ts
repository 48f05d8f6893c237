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
import { withMoreOfEach, withQuantities } from '../../src/domain/several-lines.ts'

export type Operation = Readonly<
  | { kind: 'add' | 'set'; product: CatalogProduct; quantity: number }
  | { kind: 'remove'; productId: number }
  | { kind: 'clear' }
  | { kind: 'addSeveral' | 'setSeveral'; items: readonly Item[] }
>

/** Of distinct products. The catalog does not know the product if it is undefined. */
type Item = Readonly<{ productId: number; product: CatalogProduct | undefined; quantity: number }>

/** A reference model of a basket for random operations: its lines by product id, in order. */
export type Reference = Map<number, Line>

const anyProductId = fc.integer({ min: 1, max: 4 })

const anyProduct: fc.Arbitrary<CatalogProduct> = fc.record({
  id: anyProductId,
  name: fc.string({ unit: 'grapheme', maxLength: 10 }),
  price: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
  category: fc.string({ maxLength: 5 }),
  stock: fc.oneof(fc.nat(20), fc.nat(2_147_483_647)),
})

const anyQuantity = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 999 }))

const itemsWith = (quantity: fc.Arbitrary<number>) =>
  fc.uniqueArray(
    fc
      .record({
        product: anyProduct,
        isKnown: fc.integer({ min: 0, max: 9 }).map((number) => number > 0),
        quantity,
      })
      .map(({ isKnown, ...item }) => ({
        productId: item.product.id,
        product: isKnown ? item.product : undefined,
        quantity: item.quantity,
      })),
    { selector: ({ productId }) => productId, minLength: 1, maxLength: 5 },
  )

/** Few products, so that operations often affect the same line. Quantities are below and above stock and limits. */
export const randomOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('add', 'set'),
      product: anyProduct,
      quantity: anyQuantity,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), productId: anyProductId }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('addSeveral'), items: itemsWith(anyQuantity) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('setSeveral'),
      items: itemsWith(fc.oneof(fc.constant(0), anyQuantity)),
    }),
  },
)

/** Why the product cannot have a line of this quantity. */
const refusalOf = (
  reference: Reference,
  product: CatalogProduct | undefined,
  quantity: number,
): string | undefined => {
  if (product === undefined) return 'product_not_found'
  if (quantity > product.stock) return 'insufficient_stock'
  if (quantity > 999 || (!reference.has(product.id) && reference.size === 100)) return 'basket_full'
  return undefined
}

const putLine = (reference: Reference, { id, name, price, category }: CatalogProduct, quantity: number) =>
  reference.set(id, { productId: id, name, price, category, quantity })

type Refusal = Readonly<{ path: string; code: string }>

/** Performs the operation on the reference. If lines must be refused, changes nothing and returns the refusals in order. */
const performSeveral = (
  reference: Reference,
  { kind, items }: Extract<Operation, { items: unknown }>,
): readonly Refusal[] => {
  const changed: Reference = new Map(reference)
  for (const { productId, quantity } of items) if (quantity === 0) changed.delete(productId)
  const refusals: Refusal[] = []
  for (const [index, { productId, product, quantity }] of items.entries()) {
    if (quantity === 0) continue
    const resulting = quantity + (kind === 'addSeveral' ? (changed.get(productId)?.quantity ?? 0) : 0)
    const code = refusalOf(changed, product, resulting)
    if (code !== undefined) refusals.push({ path: `/items/${index}`, code })
    else if (product !== undefined) putLine(changed, product, resulting)
  }
  if (refusals.length > 0) return refusals
  reference.clear()
  for (const [id, line] of changed) reference.set(id, line)
  return []
}

/** The refusals of the lines of the operation, in order, if it is for several. Changes nothing. */
export const refusalsOn = (reference: Reference, operation: Operation): readonly Refusal[] | undefined =>
  'items' in operation ? performSeveral(new Map(reference), operation) : undefined

/** Performs the operation on the reference. If it must fail, changes nothing and returns the expected error code. */
export const performOn = (reference: Reference, operation: Operation): string | undefined => {
  if (operation.kind === 'clear') {
    reference.clear()
    return undefined
  }
  if (operation.kind === 'remove') return reference.delete(operation.productId) ? undefined : 'not_found'
  if ('items' in operation) return performSeveral(reference, operation)[0]?.code
  const line = reference.get(operation.product.id)
  if (operation.kind === 'set' && line === undefined) return 'not_found'
  const resulting = operation.quantity + (operation.kind === 'add' ? (line?.quantity ?? 0) : 0)
  const code = refusalOf(reference, operation.product, resulting)
  if (code === undefined) putLine(reference, operation.product, resulting)
  return code
}

/** Performs the operation on a basket. */
export const apply = (basket: Basket, operation: Operation): Basket => {
  if (operation.kind === 'clear') return withoutLines(basket)
  if (operation.kind === 'remove') return withoutLine(basket, operation.productId)
  if ('items' in operation) {
    const found = operation.items.flatMap((item) => item.product ?? [])
    const products = new Map(found.map((item) => [item.id, item]))
    const changeSeveral = operation.kind === 'addSeveral' ? withMoreOfEach : withQuantities
    return changeSeveral(basket, operation.items, products)
  }
  const change = operation.kind === 'add' ? withMore : withQuantity
  return change(basket, operation.product, operation.quantity)
}
