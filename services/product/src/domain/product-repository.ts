import type { Precondition, Product, ProductFields } from './product.ts'

/** Where products are written. Every method may reject with `unavailable`; then nothing was changed, or the answer was lost. */
export type ProductRepository = Readonly<{
  /** Stores a new product under an id of the store's choice, as version 1. */
  add: (fields: ProductFields) => Promise<Product>
  /**
   * Replaces the product by what `change` makes of it, as the next version; no other write comes between. `change` is
   * pure and synchronous, and called again when another write came first; what it throws is passed on and nothing is
   * written. Rejects with `not_found`.
   */
  update: (id: number, change: (product: Product) => Product) => Promise<Product>
  /** Rejects with `not_found`, and with what the precondition throws. */
  remove: (id: number, precondition: Precondition) => Promise<void>
}>
