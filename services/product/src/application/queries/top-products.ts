import { mostExpensiveFirst, type ProductPage, type ProductReader } from '../../domain/product-reader.ts'

/** Returns the `count` most expensive products, most expensive first. */
export const topProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'list'> }>) =>
  async ({ count }: Readonly<{ count: number }>): Promise<Pick<ProductPage, 'products'>> => {
    const { products } = await reader.list({ sort: mostExpensiveFirst, limit: count })
    return { products }
  }
