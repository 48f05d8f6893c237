import type { Idempotency } from '@shop/kernel/idempotency.ts'
import { keyedBatches } from '@shop/platform/limits/batches/keyed-batches.ts'
import type { Creation, Product } from '../../domain/product.ts'
import type { PublishedProductEvent } from '../../domain/product-events.ts'
import type { WriteCaller } from '../../domain/product-repository.ts'
import type { PoolShares } from '../limits/pool-shares.ts'
import type { Database } from '../products-table.ts'
import type { Change } from '../writing/apply-changes.ts'
import { type Attempt, attemptChange, attemptCreation, type KeyedChange } from './attempts.ts'
import { type KeyedResult, type KeyedWrite, writeOnce } from './once-per-key.ts'
import { type WriteKey, writeKeyOf } from './write-key.ts'

/** The caller of a write with an idempotency key. */
type KeyedCaller = WriteCaller & Readonly<{ idempotency: Idempotency }>

export const hasKey = (caller: WriteCaller | undefined): caller is KeyedCaller =>
  caller?.idempotency !== undefined

type Shares = Pick<PoolShares, 'keyedWrites' | 'lockedWrites' | 'writesOfProduct' | 'writesOfKey'>

/**
 * Writes with an idempotency key, each by a statement of its own: one that waits for another transaction with its key would delay
 * the others in its statement, and two statements with several keys could wait for each other. In this process, the
 * writes with one key wait for each other, as do the changes of one product, so that they do not all take a connection.
 * `publish` receives the events of a write after its commit; a repetition has none.
 */
export const keyedWrites = (
  database: Database,
  publish: (events: readonly PublishedProductEvent[]) => void,
  { keyedWrites: slots, lockedWrites, ...shares }: Shares,
) => {
  const byKey = keyedBatches<string, KeyedWrite, KeyedResult>({
    ...shares.writesOfKey,
    run: (_, writes) => writeOnce(writes),
  })
  const byProduct = keyedBatches<number, () => Promise<Attempt>, Attempt>({
    ...shares.writesOfProduct,
    maxBatchSize: 1,
    run: (_, attempts) => Promise.all(attempts.map(async (attempt) => ({ value: await attempt() }))),
  })
  const change = async (keyed: KeyedChange): Promise<Attempt> =>
    (await slots.run(() => attemptChange(database, keyed, 'does not wait'))) ??
    (await lockedWrites.run(() => attemptChange(database, keyed, 'waits'))) ??
    Promise.reject(new Error('a change that waits has not been tried'))
  const write = async (
    { idempotency, principal }: KeyedCaller,
    attempt: (key: WriteKey) => Promise<Attempt>,
  ): Promise<Product | undefined> => {
    const key = writeKeyOf(principal, idempotency)
    const own = { idempotency, attempt: () => attempt(key) }
    const { product, events, isReplay } = await byKey.add(key.key, own)
    if (isReplay) idempotency.markReplayed()
    else publish(events)
    return product
  }
  return {
    /** The requests of a creation and of a removal differ, so the key of a creation is never that of a removal. */
    add: (creation: Creation, caller: KeyedCaller): Promise<Product> =>
      write(caller, (key) => slots.run(() => attemptCreation(database, creation, key))) as Promise<Product>,
    update: (id: number, changeOne: Change, caller: KeyedCaller): Promise<Product | undefined> =>
      write(caller, (key) => byProduct.add(id, () => change({ id, change: changeOne, key }))),
  }
}
