import { AsyncResource } from 'node:async_hooks'
import DataLoader from 'dataloader'
import { currentWaiter, onBehalfOf, type Waiter } from '../request-context.ts'

type BatchOptions<Key, Value> = Readonly<{
  /**
   * Loads the values of distinct keys, in the order of the keys. An `Error` as a value fails only its key.
   */
  load: (keys: readonly Key[]) => Promise<ReadonlyArray<Value | Error>>
  /** At most this many loads run at a time; keys requested meanwhile form the next batch. */
  slots: number
  maxBatchSize: number
}>

type Call<Key> = Readonly<{ key: Key; waiter: Waiter }>

/**
 * Joins calls made at the same time into one load. Results are not cached, and a call only joins a load that
 * has not begun, so its result includes everything that was written before the call.
 */
export const batchByKey = <Key, Value>({ load, slots, maxBatchSize }: BatchOptions<Key, Value>) => {
  const waiting: (() => void)[] = []
  let busy = 0

  const loadDistinct = async (calls: readonly Call<Key>[]): Promise<(Value | Error)[]> => {
    try {
      const distinct = [...new Set(calls.map(({ key }) => key))]
      const waiters = calls.map(({ waiter }) => waiter)
      const values = await onBehalfOf(waiters, () => load(distinct))
      if (values.length !== distinct.length) throw new Error('load() must return one value per key')
      const indexOf = new Map(distinct.map((key, index) => [key, index]))
      return calls.map(({ key }) => values[indexOf.get(key) ?? -1] as Value | Error)
    } finally {
      const next = waiting.shift()
      // The next batch takes over the slot.
      if (next === undefined) busy -= 1
      else next()
    }
  }

  const loader = new DataLoader<Call<Key>, Value>(loadDistinct, {
    cache: false,
    maxBatchSize,
    batchScheduleFn: (dispatch) => {
      // A batch runs in the asynchronous context of the call that began it.
      const begin = AsyncResource.bind(dispatch)
      if (busy < slots) {
        busy += 1
        setImmediate(begin)
      } else waiting.push(begin)
    },
  })
  return (key: Key): Promise<Value> => loader.load({ key, waiter: currentWaiter() })
}
