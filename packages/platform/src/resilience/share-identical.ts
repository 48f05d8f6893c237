import { setImmediate as tick } from 'node:timers/promises'
import { currentWaiter, onBehalfOf, type Waiter } from '../request-context.ts'

type Batch<Result> = Readonly<{ waiters: Waiter[]; result: Promise<Result> }>

/** Late enough to see the end of a connection that comes right behind a request, and has closed before it is read. */
const twoTicks = async () => {
  await tick()
  await tick()
}

/**
 * Joins identical calls: while one is under way, all that come share the next one. A call is never joined to one that has
 * begun, so it sees what was written before it was made. Calls with different keys do not wait for each other.
 */
export const shareIdentical = <Input, Result>(
  keyOf: (input: Input) => string,
  call: (input: Input) => Promise<Result>,
) => {
  const underWay = new Map<string, Promise<unknown>>()
  const next = new Map<string, Batch<Result>>()

  const begin = (key: string, input: Input, { waiters }: Pick<Batch<Result>, 'waiters'>) => {
    next.delete(key)
    const result = onBehalfOf(waiters, () => call(input))
    const settled = result
      .catch(() => {})
      .finally(() => {
        if (underWay.get(key) === settled) underWay.delete(key)
      })
    underWay.set(key, settled)
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
    const result = (underWay.get(key) ?? twoTicks()).then(() => begin(key, input, { waiters }))
    next.set(key, { waiters, result })
    return result
  }
}
