import type { ProductFiguresReader } from '../domain/product-figures.ts'
import type { ProductReader } from '../domain/product-reader.ts'
import type { ProductRepository } from '../domain/product-repository.ts'
import { createProduct } from './commands/create-product.ts'
import { deleteProduct } from './commands/delete-product.ts'
import { updateProduct } from './commands/update-product.ts'
import { catalogueFigures } from './queries/catalogue-figures.ts'
import { getProduct } from './queries/get-product.ts'
import { getProducts } from './queries/get-products.ts'
import { listProducts } from './queries/list-products.ts'
import { lowStockProducts } from './queries/low-stock-products.ts'
import { productsByCategory } from './queries/products-by-category.ts'
import { topProducts } from './queries/top-products.ts'

export type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  figures: ProductFiguresReader
}>

/** Everything the product service can do. Commands write through `products`, queries read through `reader` or `figures`. */
export const useCases = (ports: Ports) => ({
  createProduct: createProduct(ports),
  updateProduct: updateProduct(ports),
  deleteProduct: deleteProduct(ports),

  getProduct: getProduct(ports),
  getProducts: getProducts(ports),
  listProducts: listProducts(ports),
  topProducts: topProducts(ports),
  lowStockProducts: lowStockProducts(ports),
  productsByCategory: productsByCategory(ports),
  catalogueFigures: catalogueFigures(ports),
})

export type UseCases = ReturnType<typeof useCases>
