import { newProduct, type Product, type ProductFields } from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

/** Rejects with `invalid`. */
export const createProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'add'> }>) =>
  async (command: ProductFields): Promise<Product> =>
    products.add(newProduct(command))
