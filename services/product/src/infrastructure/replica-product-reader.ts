import { kindOf } from '@shop/kernel/errors.ts'
import { type BreakerState, createBreaker } from '@shop/platform/resilience/breaker.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import type { ProductReader } from '../domain/product-reader.ts'

const message = 'the replica is unavailable'

/** Longer than a healthy read takes, and short enough that the primary can still respond in time. */
const deadlineMs = 1_000

/**
 * Reads from the replica, or from the primary while the replica is down or hangs. The replica lags slightly:
 * recent writes may be missing from its reads.
 */
export const replicaProductReader = (
  replica: ProductReader,
  primary: ProductReader,
  onState?: (state: BreakerState) => void,
): ProductReader => {
  const breaker = createBreaker({ failures: 1, retryAfterMs: 1_000, message, onState })

  const read = async <Result>(readFrom: (reader: ProductReader) => Promise<Result>): Promise<Result> => {
    try {
      return await breaker(() => withDeadline(deadlineMs, message, readFrom(replica)))
    } catch (error) {
      if (kindOf(error) !== 'unavailable') throw error
      return readFrom(primary)
    }
  }

  return {
    find: (id) => read((reader) => reader.find(id)),
    findMany: (ids) => read((reader) => reader.findMany(ids)),
    findSummaries: (ids) => read((reader) => reader.findSummaries(ids)),
    list: (listing) => read((reader) => reader.list(listing)),
  }
}
