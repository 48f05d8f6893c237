import type { Product } from './product.ts'

/** The fields by which a list can be sorted. */
export type SortKey = keyof Pick<Product, 'id' | 'price' | 'stock' | 'name' | 'createdAt'>

/** Ties are sorted by id, in the same direction. */
export type ProductSort = Readonly<{ by: SortKey; descending: boolean }>

export const byId: ProductSort = { by: 'id', descending: false }
export const mostExpensiveFirst: ProductSort = { by: 'price', descending: true }
export const lowestStockFirst: ProductSort = { by: 'stock', descending: false }

/** A product's position in a sorted list: its value of the sort field, and its id. */
export type Position = Readonly<{ key: Product[SortKey]; id: number }>

/** The position of a product in a list of this order. */
export const positionOf = (product: Product, { by }: ProductSort): Position => ({
  key: product[by],
  id: product.id,
})

export type ProductListing = Readonly<{
  sort: ProductSort
  /** Only products with at most this many pieces. */
  maxStock?: number
  /** Only products of exactly this category; empty: only products without a category. */
  category?: string
  /** Only products of exactly this group. */
  groupId?: string
  /** The page starts after this position. */
  after?: Position | undefined
  /** The maximum number of products on the page. */
  limit: number
  /**
   * A page of more than 100 products ends earlier if the next description would exceed this many bytes in all. It has at
   * least one product.
   */
  maxDescriptionBytes?: number
}>

/** What bounds a page. */
export type Paging = Pick<ProductListing, 'after' | 'limit' | 'maxDescriptionBytes'>

/**
 * `next` is the position after which the next page starts. It is missing on the last page. Only that tells whether there
 * are more products, because any page may have fewer than its limit.
 */
export type ProductPage = Readonly<{ products: readonly Product[]; next?: Position }>

/** A product without its description, which can be longer than all its other fields together. */
export type ProductSummary = Omit<Product, 'description'>

/** Reads products. Every method may reject with `unavailable`. */
export type ProductReader = Readonly<{
  find: (id: number) => Promise<Product | undefined>
  /** Ordered by id. Unknown ids are omitted. */
  findMany: (ids: readonly number[]) => Promise<readonly Product[]>
  /** Like `findMany`, but does not read the descriptions from the store. */
  findSummaries: (ids: readonly number[]) => Promise<readonly ProductSummary[]>
  /** Names sort by code point. Every page costs the same. */
  list: (listing: ProductListing) => Promise<ProductPage>
}>
