import type { ProductPage, ProductReader } from '../../domain/product-reader.ts'

/** The dearest products, dearest first. */
export const topProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  async ({ count }: Readonly<{ count: number }>): Promise<Pick<ProductPage, 'products'>> => {
    const { products } = await reader.list({ sort: '-price', limit: count })
    return { products }
  }
