import { type BulkheadOptions, createBulkhead } from '@shop/platform/limits/bulkhead.ts'
import { countedRefusals } from '@shop/platform/limits/refusals.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'

/** The default of `DB_POOL_SIZE`. */
const defaultConnections = 10

/**
 * The deadline of a read, which may first have to wait. A query alone may take as long, so that its own timeout comes
 * first.
 */
export const readDeadlineMs = 3_600

/** As long as the pool lets a call wait for a connection. */
const connectionWaitMs = 2_000

/** A write waits for this and then for a connection, which together is less than clients usually wait. */
const productWaitMs = 2_500

type Queue = Omit<BulkheadOptions, 'slots' | 'refuse'>

/**
 * One core makes some 150 pages of 1,000 products a second, so a longer queue would only be refused later. A client with
 * 64 connections gets its lists, one with hundreds does not.
 */
const listQueue: Queue = { maxWaiting: 256, maxWaitingPerClient: 64, maxWaitMs: readDeadlineMs }

/** As many ids as one call may have, so a statement is not larger than that of one call. */
const maxIdsPerBatch = 1_000

/** A process of the basket service sends two at a time. */
const batchQueue: Queue = { maxWaiting: 128, maxWaitingPerClient: 64, maxWaitMs: connectionWaitMs }

/** Some 10,000 writes a second pass, so a whole queue is served in time. Waiting writes take little but their bodies. */
const writeQueue: Queue = { maxWaiting: 1_000, maxWaitingPerClient: 250, maxWaitMs: connectionWaitMs }

/** More do not make a write cheaper, but delay the first of them. */
const maxWritesPerBatch = 128

/** The repetitions of one write: they share its outcome, so a whole queue is answered by a look-up. */
const keyQueue: Queue = { maxWaiting: 1_000, maxWaitingPerClient: 500, maxWaitMs: productWaitMs }

const productQueue: Queue = { maxWaiting: 400, maxWaitingPerClient: 200, maxWaitMs: productWaitMs }

/** Pages of more products than this are large lists. */
export const smallPage = 100

/** The writes with one idempotency key. */
const writesOfKey = (metrics: Pick<Metrics, 'refusals'> | undefined) => ({
  ...keyQueue,
  maxBatchSize: maxWritesPerBatch,
  refuse: countedRefusals('key_writes', 'writes with this idempotency key', metrics),
})

/**
 * How many of the connections each kind of work may use at a time. The rest waits here, not in the queue of the pool, in
 * front of single reads, health probes and the batch reads of the basket service. Of ten connections, lists get three, large
 * lists two, batch reads three, creates two, changes two, changes of locked products three, and writes with an idempotency key
 * two. Statistics have a connection of their own.
 */
export const poolShares = (connections = defaultConnections, metrics?: Pick<Metrics, 'refusals'>) => {
  const slotsOf = (ratio: number) => Math.max(1, Math.floor(connections * ratio))
  const bulkhead = (ratio: number, queue: Queue, reason: string, what: string) =>
    createBulkhead({ ...queue, slots: slotsOf(ratio), refuse: countedRefusals(reason, what, metrics) })
  const writes = {
    ...writeQueue,
    maxBatchSize: maxWritesPerBatch,
    refuse: countedRefusals('writes', 'writes', metrics),
  }
  return {
    lists: bulkhead(0.3, listQueue, 'lists', 'lists'),
    /**
     * A page of 1,000 products blocks the event loop for 5 ms, and those that end at the same time block it together. With
     * four at a time, the reads of others took twice as long as with two, and the lists were no faster.
     */
    largeLists: bulkhead(0.2, listQueue, 'large_lists', 'large lists'),
    batches: {
      ...batchQueue,
      maxBatchSize: maxIdsPerBatch,
      slots: slotsOf(0.3),
      refuse: countedRefusals('batches', 'batch reads', metrics),
    },
    creations: { ...writes, slots: slotsOf(0.2) },
    changes: { ...writes, slots: slotsOf(0.2) },
    /** Changes of a product that is locked by another transaction, and what cannot be written together with others. */
    lockedWrites: createBulkhead({ ...productQueue, slots: slotsOf(0.3), refuse: writes.refuse }),
    /** The changes of one such product: its row lets only one transaction write. */
    writesOfProduct: {
      ...productQueue,
      maxBatchSize: maxWritesPerBatch,
      refuse: countedRefusals('product_writes', 'writes of this product', metrics),
    },
    /** Creations and changes with an idempotency key: they do not share statements. */
    keyedWrites: createBulkhead({ ...writeQueue, slots: slotsOf(0.2), refuse: writes.refuse }),
    writesOfKey: writesOfKey(metrics),
  }
}

export type PoolShares = ReturnType<typeof poolShares>
