import type { Cents } from '@shop/kernel/money.ts'

/** None left; at most `lowStockThreshold` pieces; more. */
export const stockBands = ['out', 'low', 'ok'] as const
type StockBand = (typeof stockBands)[number]

/** Price × stock, summed over the products of a category. */
export type CategoryValue = Readonly<{ category: string; value: Cents }>

/** The whole catalog in a few numbers. */
export type ProductStatistics = Readonly<{
  products: Readonly<Record<StockBand, number>>
  /** The categories whose stock is worth most, the most valuable first. */
  largest: readonly CategoryValue[]
  /** Of all categories. */
  inventoryValue: Cents
}>

export type ProductStatisticsReader = Readonly<{
  /** With at most `categories` of the largest ones. Takes longer the more products there are. May reject with `unavailable`. */
  read: (categories: number) => Promise<ProductStatistics>
}>
