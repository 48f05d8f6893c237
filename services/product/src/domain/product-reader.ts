import type { Product } from './product.ts'

/** What a list can be sorted by; a minus means descending. Ties are sorted by id, in the same direction. */
export const productSorts = [
  'id',
  '-id',
  'price',
  '-price',
  'stock',
  '-stock',
  'name',
  '-name',
  'created_at',
  '-created_at',
] as const

export type ProductSort = (typeof productSorts)[number]

/** Pages and top lists have at least one product and at most this many. */
export const pageLimits = { page: 1_000, defaultPage: 100, top: 100, defaultTop: 10, batch: 1_000 } as const

/** The place of a product in a list: the value that the list is sorted by, and the id. */
export type Position = Readonly<{
  key: Product[keyof Pick<Product, 'id' | 'price' | 'stock' | 'name' | 'createdAt'>]
  id: number
}>

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
