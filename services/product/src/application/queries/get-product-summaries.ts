import type { ProductReader, ProductSummary } from '../../domain/product-reader.ts'

/** Like `getProducts`, without the descriptions. */
export const getProductSummaries =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'findSummaries'> }>) =>
  ({ ids }: Readonly<{ ids: readonly number[] }>): Promise<readonly ProductSummary[]> =>
    reader.findSummaries(ids)
