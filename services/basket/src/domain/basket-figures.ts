import type { Cents } from '@shop/kernel/money.ts'

/** All baskets in a few figures. A store with many of them estimates from some. */
export type BasketFigures = Readonly<{
  /** Those that have not expired. */
  baskets: number
  /** The pieces in them, and what those cost. */
  items: number
  value: Cents
  /** How many have expired since the store began to count. */
  expired: number
  /** Of each of the store's servers, in bytes; 0 as `max` stands for no limit. None where the store has no server. */
  memory: readonly Readonly<{ used: number; max: number }>[]
}>

export type BasketFiguresReader = Readonly<{
  /** Takes a bounded time, however many baskets there are. May reject with `unavailable`. */
  read: () => Promise<BasketFigures>
}>
