import type { ProductListing, ProductPage, ProductReader } from '../../domain/product-reader.ts'

export type ListProducts = Pick<ProductListing, 'sort' | 'after' | 'limit'>

export const listProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  (query: ListProducts): Promise<ProductPage> =>
    reader.list(query)
