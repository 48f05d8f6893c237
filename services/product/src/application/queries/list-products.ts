import { parseCategory, parseGroupId } from '../../domain/product.ts'
import type { Paging, ProductListing, ProductPage, ProductReader } from '../../domain/product-reader.ts'

export type ListProducts = Paging & Pick<ProductListing, 'sort' | 'category' | 'groupId'>

/** Lists the products that match all given filters. Rejects with `invalid` for a category or group that no product can have. */
export const listProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  async (query: ListProducts): Promise<ProductPage> => {
    const { category, groupId } = query
    if (category !== undefined) parseCategory(category)
    if (groupId !== undefined) parseGroupId(groupId)
    return reader.list(query)
  }
