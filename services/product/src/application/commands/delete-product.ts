import type { Context } from '@shop/kernel/context.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import { type ProductState, removeProduct, requireExisting } from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

export type DeleteProduct = Readonly<{ id: number; expected: Expected<ProductState> }>

/** Rejects with `not_found`, `stale` or `unprocessable`. */
export const deleteProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'update'> }>) =>
  ({ id, expected }: DeleteProduct, context: Context): Promise<void> =>
    products.update(
      id,
      (stored) => {
        requireExisting(id, stored, expected)
        return removeProduct()
      },
      context,
    )
