import { currentWaiter, type Waiter } from '../../request-context.ts'
import { fairQueue } from '../fair-queue.ts'
import type { WaitingOptions } from '../waiting-tasks.ts'

export type Entry<Item, Result> = Readonly<{
  item: Item
  waiter: Waiter
  addedAt: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}>

export const entryOf = <Item, Result>(item: Item, waiter: Waiter = currentWaiter()) => {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const entry: Entry<Item, Result> = { item, waiter, addedAt: performance.now(), resolve, reject }
  return { entry, promise }
}

/** Refuses the entries of the queue that have waited for too long. One timer serves all of them. */
const overdueTimer = <Item, Result>(
  queue: ReturnType<typeof fairQueue<Entry<Item, Result>>>,
  { maxWaitMs, refuse }: WaitingOptions,
) => {
  let timer: NodeJS.Timeout | undefined

  const refuseOverdue = (): void => {
    timer = undefined
    const limit = performance.now() - maxWaitMs
    for (let entry = queue.oldest(); entry !== undefined; entry = queue.oldest()) {
      // A timer may fire up to a millisecond early.
      if (entry.addedAt > limit + 1) {
        timer = setTimeout(refuseOverdue, entry.addedAt - limit)
        return
      }
      queue.remove(entry)
      entry.reject(refuse('total'))
    }
  }

  return {
    start: (): void => {
      timer ??= setTimeout(refuseOverdue, maxWaitMs)
    },
    stop: (): void => {
      clearTimeout(timer)
      timer = undefined
    },
  }
}

const one = () => 1

/** The items that wait for a batch. */
export const waitingItems = <Item, Result>(options: WaitingOptions, sizeOf: (item: Item) => number = one) => {
  const { maxWaiting, maxWaitingPerClient, refuse } = options
  const queue = fairQueue<Entry<Item, Result>>()
  const timer = overdueTimer(queue, options)

  return {
    /** Rejects with `rate_limited` or `unavailable` if the item cannot wait, or has waited for too long. */
    add: (item: Item): Promise<Result> => {
      const waiter = currentWaiter()
      const client = waiter.request?.client
      if (client !== undefined && queue.lengthOf(client) >= maxWaitingPerClient)
        return Promise.reject(refuse('client'))
      if (queue.length() >= maxWaiting) return Promise.reject(refuse('total'))
      const { entry, promise } = entryOf<Item, Result>(item, waiter)
      queue.add(client, entry)
      timer.start()
      return promise
    },
    /**
     * Removes and returns items of up to this total size, but at least one, of the clients in turn. Those whose callers have
     * gone are dropped.
     */
    take: (max: number): Entry<Item, Result>[] => {
      const entries: Entry<Item, Result>[] = []
      let size = 0
      for (let entry = queue.first(); entry !== undefined; entry = queue.first()) {
        const signal = entry.waiter.request?.signal
        const isGone = signal?.aborted === true
        if (!isGone) size += sizeOf(entry.item)
        if (size > max && entries.length > 0) break
        queue.shift()
        if (isGone) entry.reject(signal.reason)
        else entries.push(entry)
      }
      if (queue.length() === 0) timer.stop()
      return entries
    },
    length: queue.length,
  }
}
