import type { Cents } from '@shop/kernel/money.ts'
import type {
  CategoryValue,
  ProductStatistics,
  ProductStatisticsReader,
} from '../../domain/product-statistics.ts'

/** At most this many categories are named; what the others hold is summed up. */
const namedCategories = 20

export type CatalogStatistics = Pick<ProductStatistics, 'products'> &
  Readonly<{ largest: readonly CategoryValue[]; others: Cents }>

/** What the catalog holds and is worth. */
export const catalogStatistics =
  ({ statistics }: Readonly<{ statistics: ProductStatisticsReader }>) =>
  async (): Promise<CatalogStatistics> => {
    const { products, largest, inventoryValue } = await statistics.read(namedCategories)
    const others = largest.reduce((rest, { value }) => rest - value, inventoryValue)
    return { products, largest, others }
  }
