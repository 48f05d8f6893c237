import type { Context } from '@shop/kernel/context.ts'
import { newProduct, type Product, type ProductFields } from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

/** Rejects with `invalid` or `unprocessable`. */
export const createProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'add'> }>) =>
  async (command: ProductFields, context: Context): Promise<Product> =>
    products.add(newProduct(command), context)
