import type { Cents } from '@shop/kernel/money.ts'

/** None left; at most `lowStockThreshold` pieces; more. */
export const stockBands = ['out', 'low', 'ok'] as const
type StockBand = (typeof stockBands)[number]

/** Price × stock, summed over the products of a category. */
export type CategoryValue = Readonly<{ category: string; value: Cents }>

/** The whole catalogue in a few figures. */
export type ProductFigures = Readonly<{
  products: Readonly<Record<StockBand, number>>
  /** The categories whose stock is worth most, dearest first. */
  largest: readonly CategoryValue[]
  /** Of all categories. */
  inventoryValue: Cents
}>

export type ProductFiguresReader = Readonly<{
  /** With so many of the largest categories. Takes longer the more products there are. May reject with `unavailable`. */
  read: (categories: number) => Promise<ProductFigures>
}>
