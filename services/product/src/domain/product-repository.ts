import type { Context } from '@shop/kernel/context.ts'
import type { Creation, Product, Removal, Revision } from './product.ts'

/** The caller of a write, and the idempotency key of the write if it has one. */
export type WriteCaller = Pick<Context, 'principal' | 'idempotency'>

/**
 * Writes products. The events of a write are published after its commit, each with the version that the write
 * produced. Events of concurrent writes may arrive in a different order. Every method may reject with
 * `unavailable`: then the product is unchanged, or the database's response was lost.
 *
 * A write with an idempotency key is remembered with it, for a day or longer. The same write of the same caller with the same
 * key then does nothing: it resolves with the product of the first, calls `markReplayed`, and publishes no event. Another
 * write with it rejects with `idempotency_key_reused`. While the first is in progress, the others wait for it. A write
 * that is refused is not remembered.
 */
export type ProductRepository = Readonly<{
  /** Stores a new product as version 1, under an id that the store assigns. */
  add: (creation: Creation, caller?: WriteCaller) => Promise<Product>
  /**
   * Replaces the product with the result of `change`, as its next version, or removes it. The read and the
   * write are atomic. `change` must be pure and synchronous, because it is called again if another write
   * comes first. If it throws, nothing is written and the error is passed on. It receives `undefined` if the
   * product does not exist, and must then not return a product.
   */
  update: <Result extends Revision | Removal>(
    id: number,
    change: (stored: Product | undefined) => Result,
    caller?: WriteCaller,
  ) => Promise<Result['product']>
}>
