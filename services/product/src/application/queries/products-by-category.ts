import { parseCategory } from '../../domain/product.ts'
import { byId, type Paging, type ProductPage, type ProductReader } from '../../domain/product-reader.ts'

export type ProductsByCategory = Paging & Readonly<{ category: string }>

/** Lists the products of exactly this category, ordered by id. Rejects with `invalid` for an invalid category. */
export const productsByCategory =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  async (query: ProductsByCategory): Promise<ProductPage> =>
    reader.list({ ...query, category: parseCategory(query.category), sort: byId })
