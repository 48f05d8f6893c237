import type { BasketStatistics, BasketStatisticsReader } from '../../domain/basket-statistics.ts'

/** What all baskets hold together. */
export const basketStatistics =
  ({ statistics }: Readonly<{ statistics: BasketStatisticsReader }>) =>
  (): Promise<BasketStatistics> =>
    statistics.read()
