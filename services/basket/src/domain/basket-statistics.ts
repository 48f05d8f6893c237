import type { Cents } from '@shop/kernel/money.ts'

/** Totals over all baskets. A store with many baskets estimates them from a sample. */
export type BasketStatistics = Readonly<{
  /** Baskets that have not expired. */
  baskets: number
  /** Pieces in these baskets. */
  pieces: number
  /** Total price of these pieces. */
  value: Cents
  /** Baskets that have expired since the store began to count. */
  expired: number
}>

export type BasketStatisticsReader = Readonly<{
  /** Takes bounded time, regardless of the number of baskets. May reject with `unavailable`. */
  read: () => Promise<BasketStatistics>
}>
