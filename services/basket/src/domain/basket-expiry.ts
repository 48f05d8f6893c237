import type { Basket } from './basket.ts'

/** For a store that does not remove expired baskets by itself. */
export type BasketExpiry = Readonly<{
  /** Removes some of the baskets that have expired, and resolves with those of them that can still be read. */
  removeExpired: () => Promise<readonly Basket[]>
}>
