import type { Basket } from './basket.ts'

/** Where baskets are kept, each for the configured time after its last write. Every method may reject with `unavailable`. */
export type BasketRepository = Readonly<{
  find: (userId: string) => Promise<Basket | undefined>
  /**
   * Stores what `change` makes of the user's basket, or of `undefined` when there is none, as the next version with its
   * life renewed; resolves with what is stored. `undefined` removes the basket, and what came in, unchanged, writes
   * nothing. What `change` throws is passed on, and nothing is written.
   *
   * No other write comes between, whichever process it comes from: `change` is pure, synchronous, and called again when
   * one did.
   */
  update: <Result extends Basket | undefined>(
    userId: string,
    change: (basket: Basket | undefined) => Result,
  ) => Promise<Result>
}>
