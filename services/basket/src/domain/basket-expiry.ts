import type { Basket } from './basket.ts'

/** Removal of expired baskets, for a store that does not do that by itself. */
export type BasketExpiry = Readonly<{
  /** Removes one batch of expired baskets. Resolves with them, except for those with damaged records. */
  removeExpired: () => Promise<readonly Basket[]>
}>
