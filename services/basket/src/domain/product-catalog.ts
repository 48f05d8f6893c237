import type { Cents } from '@shop/kernel/money.ts'

/** The fields of a product that a basket needs. */
export type CatalogProduct = Readonly<{
  id: number
  name: string
  price: Cents
  category: string
  /** Pieces in stock. */
  stock: number
}>

export type ProductsById = ReadonlyMap<number, CatalogProduct>

/** The product catalog, which another service owns. */
export type ProductCatalog = Readonly<{
  /** Rejects with `product_not_found`, or with `unavailable` if there is no response in time. */
  find: (productId: number) => Promise<CatalogProduct>
  /** The products by id, from one look-up; unknown ones are left out. Rejects with `unavailable` if there is no response in time. */
  findMany: (productIds: readonly number[]) => Promise<ProductsById>
}>
