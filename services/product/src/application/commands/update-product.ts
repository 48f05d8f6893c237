import { type Precondition, type Product, type ProductFields, reviseProduct } from '../../domain/product.ts'
import type { ProductRepository } from '../../domain/product-repository.ts'

export type UpdateProduct = Readonly<{
  id: number
  changes: Partial<ProductFields>
  precondition: Precondition
}>

/** Changes the fields that are given. Rejects with `not_found`, `stale_version` or `invalid`. */
export const updateProduct =
  ({ products }: Readonly<{ products: Pick<ProductRepository, 'update'> }>) =>
  ({ id, changes, precondition }: UpdateProduct): Promise<Product> =>
    products.update(id, (product) => {
      precondition(product)
      return reviseProduct(product, changes)
    })
