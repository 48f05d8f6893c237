import type { Cents } from '@shop/kernel/money.ts'
import type {
  CategoryValue,
  ProductStatistics,
  ProductStatisticsReader,
} from '../../domain/product-statistics.ts'

/** At most this many categories are listed. The values of the others are summed. */
const maxListedCategories = 20

export type CatalogStatistics = Pick<ProductStatistics, 'products' | 'usedIdsRatio'> &
  Readonly<{ topCategories: readonly CategoryValue[]; others: Cents }>

/** Returns the number of products by stock band, the inventory value by category, and the share of used ids. */
export const catalogStatistics =
  ({ statistics }: Readonly<{ statistics: ProductStatisticsReader }>) =>
  async (): Promise<CatalogStatistics> => {
    const { products, topCategories, inventoryValue, usedIdsRatio } =
      await statistics.read(maxListedCategories)
    const others = topCategories.reduce((rest, { value }) => rest - value, inventoryValue)
    return { products, topCategories, others, usedIdsRatio }
  }
