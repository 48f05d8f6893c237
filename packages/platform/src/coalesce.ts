import { AsyncResource } from 'node:async_hooks'
import DataLoader from 'dataloader'

type CoalesceOptions<Key, Value> = Readonly<{
  /** Loads the values of distinct keys, in their order; an error stands for the value of its key alone. */
  load: (keys: readonly Key[]) => Promise<ReadonlyArray<Value | Error>>
  /** So many loads may be under way; what is asked meanwhile waits, and goes together with the next one. */
  slots: number
  maxBatchSize: number
}>

/**
 * Joins what is asked at the same time into one load. Nothing is kept: a call is only ever joined to a load that has not
 * begun, so what was written before the call is seen by it.
 */
export const coalesce = <Key, Value>({ load, slots, maxBatchSize }: CoalesceOptions<Key, Value>) => {
  const waiting: (() => void)[] = []
  let busy = 0

  const loadDistinct = async (keys: readonly Key[]): Promise<(Value | Error)[]> => {
    try {
      const distinct = [...new Set(keys)]
      const values = await load(distinct)
      const valueOf = new Map(distinct.map((key, index) => [key, values[index]]))
      return keys.map((key) => valueOf.get(key) ?? new Error('a load gave no value for a key'))
    } finally {
      const next = waiting.shift()
      // The slot passes on to who waits for it.
      if (next === undefined) busy -= 1
      else next()
    }
  }

  const loader = new DataLoader<Key, Value>(loadDistinct, {
    cache: false,
    maxBatchSize,
    batchScheduleFn: (dispatch) => {
      // A batch runs in the context, and with the request id, of the call that began it.
      const begin = AsyncResource.bind(dispatch)
      if (busy < slots) {
        busy += 1
        setImmediate(begin)
      } else waiting.push(begin)
    },
  })
  return (key: Key): Promise<Value> => loader.load(key)
}
