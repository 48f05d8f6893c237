import type { Cents } from '@shop/kernel/money.ts'

/** `out`: no pieces; `low`: at most `lowStockThreshold`; `ok`: more. */
export const stockBands = ['out', 'low', 'ok'] as const
type StockBand = (typeof stockBands)[number]

/** The inventory value of a category: price × stock, summed over its products. */
export type CategoryValue = Readonly<{ category: string; value: Cents }>

/** Statistics of the whole catalog. */
export type ProductStatistics = Readonly<{
  products: Readonly<Record<StockBand, number>>
  /** The categories with the highest inventory value, highest first. */
  topCategories: readonly CategoryValue[]
  /** The total of all categories. */
  inventoryValue: Cents
  /** The share of all possible ids that are used, from 0 to 1. Ids are assigned in ascending order. */
  usedIdsRatio: number
}>

export type ProductStatisticsReader = Readonly<{
  /** Scans the whole catalog. Returns at most `maxCategories` categories. May reject with `unavailable`. */
  read: (maxCategories: number) => Promise<ProductStatistics>
}>
