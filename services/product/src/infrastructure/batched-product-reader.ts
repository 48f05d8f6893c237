import { batchByKey } from '@shop/platform/limits/batches/batch-by-key.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { shareIdentical } from '@shop/platform/resilience/share-identical.ts'
import type { Product } from '../domain/product.ts'
import type { ProductListing, ProductReader } from '../domain/product-reader.ts'
import { type PoolShares, poolShares, readDeadlineMs, smallPage } from './limits/pool-shares.ts'
import { isDamagedRow } from './reading/damaged-row.ts'
import { sharedBatchReads } from './reading/shared-batch-reads.ts'

/** At most this many batch queries run at a time. Ids requested meanwhile form the next batch. */
const slots = 2
const maxBatchSize = 1_000

const timeoutMessage = 'the product database did not respond in time'

const toJson = (key: unknown) => (typeof key === 'bigint' ? String(key) : key)

/** An object, because in an array a filter that is not set would be the same as null. */
const keyOf = (listing: ProductListing): string => {
  const { sort, maxStock, category, groupId, after, limit, maxDescriptionBytes } = listing
  return JSON.stringify({
    by: sort.by,
    descending: sort.descending,
    maxStock,
    category,
    groupId,
    after: after && [toJson(after.key), after.id],
    limit,
    maxDescriptionBytes,
  })
}

/** Returns a `find` that batches concurrent calls into one query. A row that cannot be read fails only the calls for it. */
const batchedFind = ({ findMany }: Pick<ProductReader, 'findMany'>): ProductReader['find'] => {
  const load = async (ids: readonly number[]): Promise<(Product | Error | undefined)[]> => {
    try {
      const products = new Map((await findMany(ids)).map((product) => [product.id, product]))
      return ids.map((id) => products.get(id))
    } catch (error) {
      if (!isDamagedRow(error)) throw error
      if (ids.length === 1) return [error as Error]
      const half = Math.ceil(ids.length / 2)
      return [...(await load(ids.slice(0, half))), ...(await load(ids.slice(half)))]
    }
  }
  const { find } = batchByKey<number, Product | undefined>({ load, slots, maxBatchSize })
  return (id) => withDeadline(readDeadlineMs, timeoutMessage, find(id))
}

/**
 * Batches concurrent reads of single products into one query, and those of several products into another, and runs one
 * query for concurrent requests for the same page. It caches nothing: a read only joins a query that has not been sent yet,
 * so it sees every write acknowledged before it. Lists and batches wait for their shares of the connections.
 */
export const batchedProductReader = (
  reader: ProductReader,
  { lists, largeLists, batches }: Pick<PoolShares, 'lists' | 'largeLists' | 'batches'> = poolShares(),
): ProductReader => {
  const list = shareIdentical(keyOf, reader.list, (waiters, call, { limit }) =>
    (limit > smallPage ? largeLists : lists).enter(waiters, call),
  )
  const shared = sharedBatchReads(batches)
  return {
    find: batchedFind(reader),
    findMany: shared(reader.findMany),
    findSummaries: shared(reader.findSummaries),
    list: (listing) => withDeadline(readDeadlineMs, timeoutMessage, list(listing)),
  }
}
