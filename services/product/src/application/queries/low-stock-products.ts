import {
  lowestStockFirst,
  type Paging,
  type ProductPage,
  type ProductReader,
} from '../../domain/product-reader.ts'

export type LowStockProducts = Paging & Readonly<{ maxStock: number }>

/** Lists the products with at most `maxStock` pieces, lowest stock first. */
export const lowStockProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  (query: LowStockProducts): Promise<ProductPage> =>
    reader.list({ ...query, sort: lowestStockFirst })
