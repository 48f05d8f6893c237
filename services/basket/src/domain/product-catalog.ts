import type { Cents } from '@shop/kernel/money.ts'

/** What a basket needs to know of a product. */
export type CatalogProduct = Readonly<{
  id: number
  name: string
  price: Cents
  category: string
  /** Pieces. */
  stock: number
}>

/** The products, which another service owns. */
export type ProductCatalog = Readonly<{
  /** Rejects with `product_not_found`, or with `unavailable` when the owner cannot be asked in time. */
  find: (productId: number) => Promise<CatalogProduct>
}>
