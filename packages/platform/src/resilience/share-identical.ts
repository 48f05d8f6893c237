import { setImmediate as tick } from 'node:timers/promises'
import { currentWaiter, onBehalfOf, type Waiter } from '../request-context.ts'

/** Long enough to notice that a client closed its connection right after it sent the request. */
const twoTicks = async () => {
  await tick()
  await tick()
}

export type Waiters = readonly Waiter[]

/** A call that waits for its turn, or runs. `join` adds requests that wait for it too. */
export type Turn<Result> = Readonly<{
  result: Promise<Result>
  join: (...requests: readonly Waiter['request'][]) => void
}>

/** Runs the call when it is its turn, or rejects without running it. */
type Enter<Input> = <Result>(waiters: Waiters, call: () => Promise<Result>, input: Input) => Turn<Result>

const runAtOnce: Enter<unknown> = (_waiters, call) => ({ result: call(), join: () => {} })

type Batch<Result> = { waiters: Waiter[]; turn?: Turn<Result>; result: Promise<Result> }

/** The latest running call of each key. */
const runningCalls = <Result>() => {
  const running = new Map<string, Promise<unknown>>()
  return {
    /** Settles when the call has ended, and never rejects. */
    end: (key: string): Promise<unknown> | undefined => running.get(key),
    run: (key: string, call: () => Promise<Result>): Promise<Result> => {
      const result = call()
      const settled = result
        .catch(() => {})
        .finally(() => {
          if (running.get(key) === settled) running.delete(key)
        })
      running.set(key, settled)
      return result
    },
  }
}

/**
 * Joins identical calls: all calls made before one has begun share it. A call never joins one that has already begun, so
 * its result includes everything that was written before the call. Calls with different keys do not wait for each other,
 * except for their turn if `enter` limits how many run.
 */
export const shareIdentical = <Input, Result>(
  keyOf: (input: Input) => string,
  call: (input: Input) => Promise<Result>,
  enter: Enter<Input> = runAtOnce,
) => {
  const running = runningCalls<Result>()
  const next = new Map<string, Batch<Result>>()

  const begin = (key: string, input: Input, waiters: Waiters) => {
    next.delete(key)
    return running.run(key, () => onBehalfOf(waiters, () => call(input)))
  }

  /** Until its turn comes, further calls may still join the batch. */
  const run = async (key: string, input: Input, batch: Omit<Batch<Result>, 'result'>): Promise<Result> => {
    await (running.end(key) ?? twoTicks())
    try {
      batch.turn = enter(batch.waiters, async () => begin(key, input, batch.waiters), input)
      return await batch.turn.result
    } finally {
      // It may have been refused. If it has begun, the next batch is another one.
      if (next.get(key)?.waiters === batch.waiters) next.delete(key)
    }
  }

  return (input: Input): Promise<Result> => {
    const key = keyOf(input)
    const waiting = next.get(key)
    if (waiting !== undefined) {
      const waiter = currentWaiter()
      waiting.waiters.push(waiter)
      waiting.turn?.join(waiter.request)
      return waiting.result
    }
    const batch = { waiters: [currentWaiter()] }
    const result = run(key, input, batch)
    next.set(key, Object.assign(batch, { result }))
    return result
  }
}
