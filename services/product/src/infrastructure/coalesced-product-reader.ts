import { coalesce } from '@shop/platform/coalesce.ts'
import { singleFlight } from '@shop/platform/single-flight.ts'
import type { Product } from '../domain/product.ts'
import { type ProductListing, type ProductReader, pageLimits } from '../domain/product-reader.ts'

/** So many queries for single products at a time: while they run, the ids of those who wait gather for the next one. */
const slots = 2

const plain = (key: unknown) => (typeof key === 'bigint' ? String(key) : key)

const keyOf = ({ sort, maxStock, category, after, limit }: ProductListing): string =>
  JSON.stringify([sort, maxStock, category, after && [plain(after.key), after.id], limit])

/** Single products, by one query for those that are asked for at the same time. */
export const coalescedFind = ({ findMany }: Pick<ProductReader, 'findMany'>): ProductReader['find'] => {
  const load = async (ids: readonly number[]): Promise<(Product | undefined)[]> => {
    const products = new Map((await findMany(ids)).map((product) => [product.id, product]))
    return ids.map((id) => products.get(id))
  }
  return coalesce({ load, slots, maxBatchSize: pageLimits.batch })
}

/**
 * Reads of single products that come at the same time as one query, and identical lists as one. Nothing is kept: a read is
 * only ever joined to a query that has not been sent, so it sees every write that was acknowledged before.
 */
export const coalescedProductReader = (reader: ProductReader): ProductReader => ({
  find: coalescedFind(reader),
  findMany: reader.findMany,
  list: singleFlight(keyOf, reader.list),
})
