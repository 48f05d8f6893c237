import { kindOf } from '@shop/kernel/errors.ts'
import { type BreakerState, createBreaker } from '@shop/platform/resilience/breaker.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import type { ProductReader } from '../domain/product-reader.ts'

const message = 'the replica is unavailable'

/** Longer than a healthy read takes, and short enough for the primary to answer in time as well. */
const deadlineMs = 1_000

/**
 * Reads from the replica, and from the primary while the replica is down or hangs. What the replica does not have yet
 * is not there: its reads are a moment behind.
 */
export const replicaProductReader = (
  replica: ProductReader,
  primary: ProductReader,
  onState?: (state: BreakerState) => void,
): ProductReader => {
  const breaker = createBreaker({ failures: 1, retryAfterMs: 1_000, message, onState })

  const read = async <Result>(ask: (reader: ProductReader) => Promise<Result>): Promise<Result> => {
    try {
      return await breaker(() => withDeadline(deadlineMs, message, ask(replica)))
    } catch (error) {
      if (kindOf(error) !== 'unavailable') throw error
      return ask(primary)
    }
  }

  return {
    find: (id) => read((reader) => reader.find(id)),
    findMany: (ids) => read((reader) => reader.findMany(ids)),
    list: (listing) => read((reader) => reader.list(listing)),
  }
}
