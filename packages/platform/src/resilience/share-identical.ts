import { setImmediate as tick } from 'node:timers/promises'
import { currentWaiter, onBehalfOf, type Waiter } from '../request-context.ts'

type Batch<Result> = Readonly<{ waiters: Waiter[]; result: Promise<Result> }>

/** Long enough to notice that a client closed its connection right after it sent the request. */
const twoTicks = async () => {
  await tick()
  await tick()
}

/**
 * Joins identical calls: all calls made while one is running share the next one. A call never joins one that
 * has already begun, so its result includes everything that was written before the call. Calls with different
 * keys do not wait for each other.
 */
export const shareIdentical = <Input, Result>(
  keyOf: (input: Input) => string,
  call: (input: Input) => Promise<Result>,
) => {
  const running = new Map<string, Promise<unknown>>()
  const next = new Map<string, Batch<Result>>()

  const begin = (key: string, input: Input, { waiters }: Pick<Batch<Result>, 'waiters'>) => {
    next.delete(key)
    const result = onBehalfOf(waiters, () => call(input))
    const settled = result
      .catch(() => {})
      .finally(() => {
        if (running.get(key) === settled) running.delete(key)
      })
    running.set(key, settled)
    return result
  }

  return (input: Input): Promise<Result> => {
    const key = keyOf(input)
    const waiting = next.get(key)
    if (waiting !== undefined) {
      waiting.waiters.push(currentWaiter())
      return waiting.result
    }
    const waiters = [currentWaiter()]
    const result = (running.get(key) ?? twoTicks()).then(() => begin(key, input, { waiters }))
    next.set(key, { waiters, result })
    return result
  }
}
