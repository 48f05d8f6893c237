import type { Creation, Product, Removal, Revision } from './product.ts'

/**
 * Where products are written. What a write makes of a product and the events by it become durable together; the events are
 * published once they have, each with the version that it led to: those of writes that race may come in another order. Every method
 * may reject with `unavailable`; then nothing was changed, or the answer was lost.
 */
export type ProductRepository = Readonly<{
  /** Stores a new product under an id of the store's choice, as version 1. */
  add: (creation: Creation) => Promise<Product>
  /**
   * Puts what `change` makes of the product in its place, as the next version, or removes it; no other write comes between.
   * `change` is pure and synchronous, and called again when another write came first; what it throws is passed on and
   * nothing is written. It gets `undefined` when there is no such product, and may then make none.
   */
  update: <Result extends Revision | Removal>(
    id: number,
    change: (stored: Product | undefined) => Result,
  ) => Promise<Result['product']>
}>
