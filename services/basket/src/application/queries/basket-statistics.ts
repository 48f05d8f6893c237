import type { BasketStatistics, BasketStatisticsReader } from '../../domain/basket-statistics.ts'

/** Totals over all baskets. Rejects with `unavailable`. */
export const basketStatistics =
  ({ statistics }: Readonly<{ statistics: BasketStatisticsReader }>) =>
  (): Promise<BasketStatistics> =>
    statistics.read()
