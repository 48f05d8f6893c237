import { noTarget, type Target, type Targets } from '@shop/kernel/audit.ts'
import type { UseCases } from './use-cases.ts'

const product = ({ id }: Readonly<{ id?: number }>): Target => ({ type: 'product', id })

/** What each use case is about, for the audit log. Queries of several products are about none of them. */
export const auditTargets = {
  createProduct: (_, created) => product({ ...created }),
  updateProduct: product,
  deleteProduct: product,
  forgetOldWrites: noTarget,
  getProduct: noTarget,
  getProducts: noTarget,
  getProductSummaries: noTarget,
  listProducts: noTarget,
  topProducts: noTarget,
  lowStockProducts: noTarget,
  productsByCategory: noTarget,
  catalogStatistics: noTarget,
} satisfies Targets<UseCases>
