import { requestContext } from '../../request-context.ts'
import type { WaitingOptions } from '../waiting-tasks.ts'
import { type Outcome, runBatch } from './batches.ts'
import { waitingItems } from './waiting-items.ts'

type Options<Key, Item, Result> = WaitingOptions &
  Readonly<{
    /** Resolves with the outcome of each item, in their order. If it rejects, all items fail with its error. */
    run: (key: Key, items: readonly Item[]) => Promise<readonly Outcome<Result>[]>
    maxBatchSize: number
  }>

/** The result of a batch of one item. Throws its error. */
const resultOf = <Result>(outcomes: readonly Outcome<Result>[]): Result => {
  const [outcome] = outcomes
  if (outcome === undefined || outcomes.length > 1) throw new Error('run() must return one outcome per item')
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

/**
 * Processes the items of each key in batches, one batch at a time; other keys do not wait for it. An item whose key is idle
 * is a batch of its own, at once. Every key has a queue of its own.
 */
export const keyedBatches = <Key, Item, Result>({
  run,
  maxBatchSize,
  ...options
}: Options<Key, Item, Result>) => {
  /** The queues of the busy keys. Created for the first item that waits: most keys never have one. */
  const busy = new Map<Key, ReturnType<typeof waitingItems<Item, Result>> | undefined>()

  const runNext = (key: Key): void => {
    const entries = busy.get(key)?.take(maxBatchSize) ?? []
    if (entries.length === 0) return void busy.delete(key)
    void runBatch(
      entries,
      (items) => run(key, items),
      () => runNext(key),
    )
  }

  /** Without the cost of a queue, which took twice as long as the rest of the way through here. */
  const runAlone = async (key: Key, item: Item): Promise<Result> => {
    requestContext.getStore()?.signal?.throwIfAborted()
    busy.set(key, undefined)
    try {
      return resultOf(await run(key, [item]))
    } finally {
      runNext(key)
    }
  }

  return {
    /** Rejects with `rate_limited` or `unavailable`, and then the item is in no batch. */
    add: (key: Key, item: Item): Promise<Result> => {
      if (!busy.has(key)) return runAlone(key, item)
      const queue = busy.get(key) ?? waitingItems<Item, Result>(options)
      busy.set(key, queue)
      return queue.add(item)
    },
    isBusy: (key: Key): boolean => busy.has(key),
  }
}
