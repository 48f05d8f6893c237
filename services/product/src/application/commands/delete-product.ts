import type { Precondition } from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

export type DeleteProduct = Readonly<{ id: number; precondition: Precondition }>

/** Rejects with `not_found` or `stale_version`. */
export const deleteProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'remove'> }>) =>
  ({ id, precondition }: DeleteProduct): Promise<void> =>
    products.remove(id, precondition)
