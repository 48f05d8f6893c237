import type { Creation, Product, Removal, Revision } from './product.ts'

/**
 * Writes products. The events of a write are published after its commit, each with the version that the write
 * produced. Events of concurrent writes may arrive in a different order. Every method may reject with
 * `unavailable`: then the product is unchanged, or the database's response was lost.
 */
export type ProductRepository = Readonly<{
  /** Stores a new product as version 1, under an id that the store assigns. */
  add: (creation: Creation) => Promise<Product>
  /**
   * Replaces the product with the result of `change`, as its next version, or removes it. The read and the
   * write are atomic. `change` must be pure and synchronous, because it is called again if another write
   * comes first. If it throws, nothing is written and the error is passed on. It receives `undefined` if the
   * product does not exist, and must then not return a product.
   */
  update: <Result extends Revision | Removal>(
    id: number,
    change: (stored: Product | undefined) => Result,
  ) => Promise<Result['product']>
}>
