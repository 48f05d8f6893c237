import { type Costs, costOfMany, single } from '@shop/kernel/cost.ts'
import type { UseCases } from './use-cases.ts'

const page = ({ limit }: Readonly<{ limit: number }>) => costOfMany(limit)
const batch = ({ ids }: Readonly<{ ids: readonly number[] }>) => costOfMany(ids.length)

/** What each use case costs of the rate limit of its caller. */
export const costs = {
  createProduct: single,
  updateProduct: single,
  deleteProduct: single,
  forgetOldWrites: single,
  getProduct: single,
  getProducts: batch,
  getProductSummaries: batch,
  listProducts: page,
  topProducts: ({ count }) => costOfMany(count),
  lowStockProducts: page,
  productsByCategory: page,
  catalogStatistics: single,
} satisfies Costs<UseCases>
