import type { Product } from './product.ts'

/** What a list can be sorted by. */
export type SortKey = keyof Pick<Product, 'id' | 'price' | 'stock' | 'name' | 'createdAt'>

/** Ties are sorted by id, in the same direction. */
export type ProductSort = Readonly<{ by: SortKey; descending: boolean }>

export const byId: ProductSort = { by: 'id', descending: false }
export const mostExpensiveFirst: ProductSort = { by: 'price', descending: true }
export const lowestStockFirst: ProductSort = { by: 'stock', descending: false }

/** The place of a product in a list: the value that the list is sorted by, and the id. */
export type Position = Readonly<{ key: Product[SortKey]; id: number }>

export type ProductListing = Readonly<{
  sort: ProductSort
  /** Products with at most this many pieces. */
  maxStock?: number
  category?: string
  /** The page starts behind this place. */
  after?: Position | undefined
  /** The page's size. */
  limit: number
}>

/** `next` is the place to go on from, when there is more. */
export type ProductPage = Readonly<{ products: readonly Product[]; next?: Position }>

/** Where products are read. Every method may reject with `unavailable`. */
export type ProductReader = Readonly<{
  find: (id: number) => Promise<Product | undefined>
  /** In order of id; unknown ids are left out. */
  findMany: (ids: readonly number[]) => Promise<readonly Product[]>
  /** Names are in order of their code points. Costs the same for every page. */
  list: (listing: ProductListing) => Promise<ProductPage>
}>
