import { anybody, internal, type Policy, scope } from '@shop/kernel/policy.ts'
import type { UseCases } from './use-cases.ts'

const writer = scope('products:write')

/** Who may call each use case. */
export const policy = {
  createProduct: writer,
  updateProduct: writer,
  deleteProduct: writer,
  forgetOldWrites: internal,
  getProduct: anybody,
  getProducts: anybody,
  getProductSummaries: anybody,
  listProducts: anybody,
  topProducts: anybody,
  lowStockProducts: anybody,
  productsByCategory: anybody,
  catalogStatistics: internal,
} satisfies Policy<UseCases>
