import { onBehalfOf, type Waiter } from '../../request-context.ts'
import { within } from '../../tracing/api.ts'
import type { WaitingOptions } from '../waiting-tasks.ts'
import { type Entry, waitingItems } from './waiting-items.ts'

/** What became of one item of a batch. */
export type Outcome<Result> = Readonly<{ value: Result }> | Readonly<{ error: unknown }>

type RunBatch<Item, Result> = (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>

export type BatchesOptions<Item, Result> = WaitingOptions &
  Readonly<{
    /** Resolves with the outcome of each item, in their order. If it rejects, all items fail with its error. */
    run: RunBatch<Item, Result>
    /** At most this many batches run at a time. */
    slots: number
    /** The total size of the items of a batch. A larger item is a batch of its own. */
    maxBatchSize: number
    /** Items have the size 1 without it. */
    sizeOf?: (item: Item) => number
    /** Whether an item that finds all slots free begins a batch at once, alone. */
    startsAtOnce?: boolean
  }>

/** Not in the context of the caller whose batch has made room. */
const asFirst = <Result>(waiters: readonly Waiter[], run: () => Promise<Result>): Promise<Result> =>
  within(waiters[0]?.span, () => onBehalfOf(waiters, run))

/** Runs the batch in the context of its first caller, and settles each item. Calls `onEnd` before that. */
export const runBatch = async <Item, Result>(
  entries: readonly Entry<Item, Result>[],
  run: RunBatch<Item, Result>,
  onEnd: () => void,
): Promise<void> => {
  const items = entries.map(({ item }) => item)
  const waiters = entries.map(({ waiter }) => waiter)
  try {
    const outcomes = await asFirst(waiters, () => run(items))
    if (outcomes.length !== items.length) throw new Error('run() must return one outcome per item')
    onEnd()
    for (const [index, outcome] of outcomes.entries())
      if ('error' in outcome) entries[index]?.reject(outcome.error)
      else entries[index]?.resolve(outcome.value)
  } catch (error) {
    onEnd()
    for (const { reject } of entries) reject(error)
  }
}

/** Calls `run` once after the current turn of the event loop, however often it is scheduled. */
export const afterTurn = (run: () => void) => {
  let isScheduled = false
  const runOnce = (): void => {
    isScheduled = false
    run()
  }
  const schedule = (): void => {
    if (!isScheduled) setImmediate(runOnce)
    isScheduled = true
  }
  return { schedule, isScheduled: () => isScheduled }
}

/**
 * Processes items in batches: all that arrive while the slots are busy share the next one. They wait in a bounded queue
 * that takes the clients in turn. A batch begins after the current turn of the event loop, so that all items of this turn
 * share it; an item that arrives alone waits no longer than that.
 */
export const createBatches = <Item, Result>(options: BatchesOptions<Item, Result>) => {
  const { run, slots, maxBatchSize, sizeOf, startsAtOnce = false } = options
  const waiting = waitingItems<Item, Result>(options, sizeOf)
  let busy = 0

  /** Runs the next batch in a slot that has been taken, or gives the slot back. */
  const runNext = (): void => {
    const entries = waiting.take(maxBatchSize)
    if (entries.length > 0) void runBatch(entries, run, runNext)
    else busy -= 1
  }

  const begin = (): void => {
    while (busy < slots && waiting.length() > 0) {
      busy += 1
      runNext()
    }
  }
  const turn = afterTurn(begin)

  return {
    /** Rejects with `rate_limited` or `unavailable`, and then the item is in no batch. */
    add: (item: Item): Promise<Result> => {
      const result = waiting.add(item)
      if (startsAtOnce && busy === 0) begin()
      else if (busy < slots) turn.schedule()
      return result
    },
  }
}
