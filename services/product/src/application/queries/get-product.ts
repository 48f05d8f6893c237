import { productNotFound } from '../../domain/errors.ts'
import type { Product } from '../../domain/product.ts'
import type { ProductReader } from '../../domain/product-reader.ts'

/** Rejects with `not_found`. */
export const getProduct =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'find'> }>) =>
  async ({ id }: Readonly<{ id: number }>): Promise<Product> => {
    const product = await reader.find(id)
    if (product === undefined) throw productNotFound(id)
    return product
  }
