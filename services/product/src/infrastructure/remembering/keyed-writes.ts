import type { Idempotency } from '@shop/kernel/idempotency.ts'
import { keyedBatches } from '@shop/platform/limits/batches/keyed-batches.ts'
import type { Creation } from '../../domain/product.ts'
import type { WriteCaller } from '../../domain/product-repository.ts'
import type { PoolShares } from '../limits/pool-shares.ts'
import type { Database } from '../products-table.ts'
import type { Change } from '../writing/apply-changes.ts'
import { type Attempt, attemptChange, attemptCreation } from './attempts.ts'
import { type KeyedResult, type KeyedWrite, writeOnce } from './once-per-key.ts'
import { writeKeyOf } from './write-key.ts'

/** The caller of a write with an idempotency key. */
export type KeyedCaller = WriteCaller & Readonly<{ idempotency: Idempotency }>

type Shares = Pick<PoolShares, 'keyedWrites' | 'writesOfProduct' | 'writesOfKey'>

/**
 * Writes with an idempotency key, each by a statement of its own: one that waits for another transaction with its key would delay
 * the others in its statement, and two statements with several keys could wait for each other. In this process, the
 * writes with one key wait for each other, as do the changes of one product, so that they do not all take a connection.
 */
export const keyedWrites = (database: Database, { keyedWrites: slots, ...shares }: Shares) => {
  const byKey = keyedBatches<string, KeyedWrite, KeyedResult>({
    ...shares.writesOfKey,
    run: (_, writes) => writeOnce(writes),
  })
  const byProduct = keyedBatches<number, () => Promise<Attempt>, Attempt>({
    ...shares.writesOfProduct,
    maxBatchSize: 1,
    run: (_, attempts) => Promise.all(attempts.map(async (attempt) => ({ value: await attempt() }))),
  })
  return {
    add: (creation: Creation, { principal, idempotency }: KeyedCaller): Promise<KeyedResult> => {
      const key = writeKeyOf(principal, idempotency)
      const attempt = () => slots.run(() => attemptCreation(database, creation, key))
      return byKey.add(key.key, { idempotency, attempt })
    },
    update: (id: number, change: Change, { principal, idempotency }: KeyedCaller): Promise<KeyedResult> => {
      const key = writeKeyOf(principal, idempotency)
      const run = () => slots.run(() => attemptChange(database, { id, change, key }))
      return byKey.add(key.key, { idempotency, attempt: () => byProduct.add(id, run) })
    },
  }
}
