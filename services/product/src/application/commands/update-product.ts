import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import {
  type Product,
  type ProductFields,
  type ProductState,
  requireExisting,
  reviseProduct,
} from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

export type UpdateProduct = Readonly<{
  id: number
  changes: Partial<ProductFields>
  expected: Expected<ProductState>
}>

/** Changes the given fields. Rejects with `not_found`, `stale`, `invalid` or `unprocessable`. */
export const updateProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'update'> }>) =>
  ({ id, changes, expected }: UpdateProduct, context: Context): Promise<Product> =>
    products.update(id, (stored) => reviseProduct(requireExisting(id, stored, expected), changes), context)
