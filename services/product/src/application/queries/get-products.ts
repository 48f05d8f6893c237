import type { Product } from '../../domain/product.ts'
import type { ProductReader } from '../../domain/product-reader.ts'

/** Returns the products with these ids, ordered by id. Unknown ids are omitted. */
export const getProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'findMany'> }>) =>
  ({ ids }: Readonly<{ ids: readonly number[] }>): Promise<readonly Product[]> =>
    reader.findMany(ids)
