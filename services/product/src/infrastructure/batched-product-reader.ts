import { batchByKey } from '@shop/platform/resilience/batch-by-key.ts'
import { shareIdentical } from '@shop/platform/resilience/share-identical.ts'
import type { Product } from '../domain/product.ts'
import type { ProductListing, ProductReader } from '../domain/product-reader.ts'

/** At most this many queries for single products at a time; the ids that are asked for meanwhile form the next batch. */
const slots = 2
const maxBatchSize = 1_000

const plain = (key: unknown) => (typeof key === 'bigint' ? String(key) : key)

const keyOf = ({ sort, maxStock, category, after, limit }: ProductListing): string =>
  JSON.stringify([sort.by, sort.descending, maxStock, category, after && [plain(after.key), after.id], limit])

/** Single products, by one query for those that are asked for at the same time. */
export const batchedFind = ({ findMany }: Pick<ProductReader, 'findMany'>): ProductReader['find'] => {
  const load = async (ids: readonly number[]): Promise<(Product | undefined)[]> => {
    const products = new Map((await findMany(ids)).map((product) => [product.id, product]))
    return ids.map((id) => products.get(id))
  }
  return batchByKey({ load, slots, maxBatchSize })
}

/**
 * Reads of single products that come at the same time as one query, and identical lists as one. Nothing is kept: a read is
 * only ever joined to a query that has not been sent, so it sees every write that was acknowledged before.
 */
export const batchedProductReader = (reader: ProductReader): ProductReader => ({
  find: batchedFind(reader),
  findMany: reader.findMany,
  list: shareIdentical(keyOf, reader.list),
})
