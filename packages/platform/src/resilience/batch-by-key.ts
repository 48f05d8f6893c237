import { currentWaiter, onBehalfOf, type Waiter } from '../request-context.ts'
import { within } from '../tracing/api.ts'

type BatchOptions<Key, Value> = Readonly<{
  /**
   * Loads the values of distinct keys, in the order of the keys. An `Error` as a value fails only its key.
   */
  load: (keys: readonly Key[]) => Promise<ReadonlyArray<Value | Error>>
  /** At most this many loads run at a time; keys requested meanwhile form the next batch. */
  slots: number
  maxBatchSize: number
}>

type Call<Key, Value> = Readonly<{
  key: Key
  waiter: Waiter
  resolve: (value: Value) => void
  reject: (error: unknown) => void
}>

/** Loads the distinct keys on behalf of all callers, in the context of the first, and settles their calls after `onEnd`. */
const settleCalls = async <Key, Value>(
  calls: readonly Call<Key, Value>[],
  load: BatchOptions<Key, Value>['load'],
  onEnd: () => void,
): Promise<void> => {
  const waiters = calls.map(({ waiter }) => waiter)
  const keys = [...new Set(calls.map(({ key }) => key))]
  try {
    const values = await within(waiters[0]?.span, () => onBehalfOf(waiters, () => load(keys)))
    if (values.length !== keys.length) throw new Error('load() must return one value per key')
    const valueOf = new Map(keys.map((key, index) => [key, values[index]]))
    onEnd()
    for (const { key, resolve, reject } of calls) {
      const value = valueOf.get(key)
      if (value instanceof Error) reject(value)
      else resolve(value as Value)
    }
  } catch (error) {
    onEnd()
    for (const { reject } of calls) reject(error)
  }
}

/**
 * Joins calls made at the same time into one load. Results are not cached, and a call only joins a load that
 * has not begun, so its result includes everything that was written before the call. A call that follows one that was alone
 * is loaded at once, alone.
 */
export const batchByKey = <Key, Value>({ load, slots, maxBatchSize }: BatchOptions<Key, Value>) => {
  const waiting: Call<Key, Value>[] = []
  let busy = 0
  let isScheduled = false
  let wasAlone = false

  const begin = (): void => {
    isScheduled = false
    while (busy < slots && waiting.length > 0) {
      busy += 1
      const calls = waiting.splice(0, maxBatchSize)
      wasAlone = calls.length === 1
      void settleCalls(calls, load, end)
    }
  }

  const end = (): void => {
    busy -= 1
    begin()
  }

  return (key: Key): Promise<Value> => {
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    waiting.push({ key, waiter: currentWaiter(), resolve, reject })
    if (isScheduled || busy >= slots) return promise
    // A single caller saves a turn of the event loop: 3 to 4 % of the time of a look-up.
    if (busy === 0 && wasAlone) begin()
    else {
      // After this turn, so that all calls of the turn share a load.
      isScheduled = true
      setImmediate(begin)
    }
    return promise
  }
}
