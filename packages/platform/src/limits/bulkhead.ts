import { requestContext } from '../request-context.ts'
import type { Turn, Waiters } from '../resilience/share-identical.ts'
import { type Request, type WaitingOptions, waitingTasks } from './waiting-tasks.ts'

export type BulkheadOptions = WaitingOptions &
  Readonly<{
    /** At most this many tasks run at a time. */
    slots: number
  }>

const ignore = () => {}

const createSlots = ({ slots, ...options }: BulkheadOptions) => {
  const waiting = waitingTasks(options)
  let running = 0

  /** Runs the task in a slot that has been taken. The next task takes over the slot. */
  const runInSlot = async <Result>(task: () => Promise<Result>): Promise<Result> => {
    try {
      return await task()
    } finally {
      if (!waiting.startNext()) running -= 1
    }
  }

  /** Runs the task if a slot is free; otherwise undefined. */
  const runAtOnce = <Result>(task: () => Promise<Result>): Promise<Result> | undefined => {
    if (running >= slots) return undefined
    running += 1
    return runInSlot(task)
  }

  const wait = <Result>(
    requests: readonly Request[],
    task: () => Promise<Result>,
    anyway = false,
  ): Turn<Result> => {
    const exceeded = anyway ? undefined : waiting.refusalOf(requests)
    return exceeded === undefined
      ? waiting.add(requests, () => runInSlot(task), anyway)
      : { result: Promise.reject(options.refuse(exceeded)), join: ignore }
  }

  return { runAtOnce, wait, isIdle: () => running === 0, waiting: waiting.length }
}

/**
 * Runs a limited number of tasks at a time, so that tasks of one kind do not use up what others need too, such as the
 * connections of a pool. Further tasks wait in a bounded queue that takes the clients in turn: a client with many tasks
 * does not delay those of others. A task whose callers have all gone leaves the queue at once.
 */
export const createBulkhead = (options: BulkheadOptions) => {
  const { runAtOnce, wait, isIdle, waiting } = createSlots(options)
  return {
    /** Runs the task when a slot is free. Rejects with `rate_limited` or `unavailable`, and then never runs it. */
    run: <Result>(task: () => Promise<Result>): Promise<Result> =>
      runAtOnce(task) ?? wait([requestContext.getStore()], task).result,
    /** The same, whatever the limits of the queue are: for what callers that were not refused have in common. */
    runAnyway: <Result>(task: () => Promise<Result>): Promise<Result> =>
      runAtOnce(task) ?? wait([requestContext.getStore()], task, true).result,
    /**
     * The same for a task with several callers. Further ones may join while it waits. It is refused only if all their
     * clients have used up their shares.
     */
    enter: <Result>(waiters: Waiters, task: () => Promise<Result>): Turn<Result> => {
      const result = runAtOnce(task)
      if (result !== undefined) return { result, join: ignore }
      return wait(
        waiters.map(({ request }) => request),
        task,
      )
    },
    isIdle,
    /** How many tasks wait. */
    waiting,
  }
}

export type Bulkhead = ReturnType<typeof createBulkhead>
