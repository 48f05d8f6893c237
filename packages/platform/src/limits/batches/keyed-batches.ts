import { type Batches, type BatchesOptions, createBatches, type Outcome } from './batches.ts'

type Options<Key, Item, Result> = Omit<
  BatchesOptions<Item, Result>,
  'run' | 'slots' | 'awaitsTurn' | 'onIdle'
> &
  Readonly<{
    /** Resolves with the outcome of each item, in their order. If it rejects, all items fail with its error. */
    run: (key: Key, items: readonly Item[]) => Promise<readonly Outcome<Result>[]>
  }>

/**
 * Works off the items of each key in batches, one batch at a time; other keys do not wait for it. An item whose key is idle
 * is a batch of its own, at once. Every key has a queue of its own.
 */
export const keyedBatches = <Key, Item, Result>({ run, ...options }: Options<Key, Item, Result>) => {
  const busy = new Map<Key, Batches<Item, Result>>()
  const batchesOf = (key: Key): Batches<Item, Result> => {
    const known = busy.get(key)
    if (known !== undefined) return known
    const batches = createBatches<Item, Result>({
      ...options,
      run: (items) => run(key, items),
      slots: 1,
      awaitsTurn: false,
      onIdle: () => busy.delete(key),
    })
    busy.set(key, batches)
    return batches
  }
  return {
    /** Rejects with `rate_limited` or `unavailable`, and then the item is in no batch. */
    add: (key: Key, item: Item): Promise<Result> => batchesOf(key).add(item),
    isBusy: (key: Key): boolean => busy.has(key),
  }
}
