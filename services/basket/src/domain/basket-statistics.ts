import type { Cents } from '@shop/kernel/money.ts'

/** All baskets in a few numbers. A store with many of them estimates from some. */
export type BasketStatistics = Readonly<{
  /** Those that have not expired. */
  baskets: number
  /** The pieces in them, and what those cost. */
  pieces: number
  value: Cents
  /** How many have expired since the store began to count. */
  expired: number
}>

export type BasketStatisticsReader = Readonly<{
  /** Takes a bounded time, however many baskets there are. May reject with `unavailable`. */
  read: () => Promise<BasketStatistics>
}>
