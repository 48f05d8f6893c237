import type { Cents } from '@shop/kernel/money.ts'
import { type Basket, pieceCount, total } from '../domain/basket.ts'
import type { BasketStatistics } from '../domain/basket-statistics.ts'

type Estimate = Omit<BasketStatistics, 'expired'>

const scaled = (value: Cents, scale: number): Cents =>
  scale === 1 ? value : BigInt(Math.round(Number(value) * scale))

/**
 * Estimates the statistics of all baskets: each basket of the sample represents `scale` baskets. The result
 * is exact if `scale` is 1.
 */
export const estimate = (sample: readonly Basket[], scale: number): Estimate => ({
  baskets: Math.round(sample.length * scale),
  pieces: Math.round(sample.reduce((sum, basket) => sum + pieceCount(basket), 0) * scale),
  value: scaled(
    sample.reduce((sum, basket) => sum + total(basket), 0n),
    scale,
  ),
})
