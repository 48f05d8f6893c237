import type { Product } from '../../domain/product.ts'
import type { ProductReader } from '../../domain/product-reader.ts'

/** The products of these ids, in order of id; unknown ids are left out. */
export const getProducts =
  ({ reader }: Readonly<{ reader: Pick<ProductReader, 'findMany'> }>) =>
  ({ ids }: Readonly<{ ids: readonly number[] }>): Promise<readonly Product[]> =>
    reader.findMany(ids)
