import type { Basket } from './basket.ts'

/** Removal of expired baskets, for a store that does not do that by itself. */
export type BasketExpiry = Readonly<{
  /** Removes one batch of expired baskets and resolves with them. Omits damaged records, which it removes too. */
  removeExpired: () => Promise<readonly Basket[]>
}>
