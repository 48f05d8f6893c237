import type { UseCasesOf } from '@shop/kernel/use-case.ts'
import type { Ports } from '../domain/ports.ts'
import { createProduct } from './commands/create-product.ts'
import { deleteProduct } from './commands/delete-product.ts'
import { forgetOldWrites } from './commands/forget-old-writes.ts'
import { updateProduct } from './commands/update-product.ts'
import { catalogStatistics } from './queries/catalog-statistics.ts'
import { getProduct } from './queries/get-product.ts'
import { getProductSummaries } from './queries/get-product-summaries.ts'
import { getProducts } from './queries/get-products.ts'
import { listProducts } from './queries/list-products.ts'
import { lowStockProducts } from './queries/low-stock-products.ts'
import { productsByCategory } from './queries/products-by-category.ts'
import { topProducts } from './queries/top-products.ts'

const commands = (ports: Ports) => ({
  createProduct: createProduct(ports),
  updateProduct: updateProduct(ports),
  deleteProduct: deleteProduct(ports),
  forgetOldWrites: forgetOldWrites(ports),
})

const queries = (ports: Ports) => ({
  getProduct: getProduct(ports),
  getProducts: getProducts(ports),
  getProductSummaries: getProductSummaries(ports),
  listProducts: listProducts(ports),
  topProducts: topProducts(ports),
  lowStockProducts: lowStockProducts(ports),
  productsByCategory: productsByCategory(ports),
  catalogStatistics: catalogStatistics(ports),
})

/** All use cases of the product service. */
export const useCases = (ports: Ports) => ({ commands: commands(ports), queries: queries(ports) })

type UseCaseGroups = ReturnType<typeof useCases>

export type UseCases = UseCasesOf<UseCaseGroups['commands'] & UseCaseGroups['queries']>
