import { fairQueue } from '../fair-queue.ts'
import { type Entry, entryOf } from './waiting-items.ts'

/** Calls for one key, in the order in which they came: a batch has many of them. */
const callsForOne = <Call extends Entry<readonly unknown[], never>>() => {
  const waiting: Call[] = []
  return {
    add: (call: Call): void => void waiting.push(call),
    /** Removes and returns as many as fit. */
    take: (room: number): Call[] => waiting.splice(0, room),
    /** Rejects those that were added before this time, or at it. */
    rejectUntil: (time: number, error: unknown): void => {
      const end = waiting.findIndex(({ addedAt }) => addedAt > time)
      for (const { reject } of waiting.splice(0, end < 0 ? waiting.length : end)) reject(error)
    },
    isEmpty: () => waiting.length === 0,
  }
}

/** Calls for several keys, of the clients in turn: each may fill a batch. */
const callsForSeveral = <Call extends Entry<readonly unknown[], never>>() => {
  const waiting = fairQueue<Call>()
  return {
    add: (call: Call): void => waiting.add(call.waiter.request?.client, call),
    /** Removes and returns as many as fit. With `atLeastOne`, one may be larger. */
    take: (room: number, { atLeastOne }: Readonly<{ atLeastOne: boolean }>): Call[] => {
      const calls: Call[] = []
      let left = room
      for (let call = waiting.first(); call !== undefined; call = waiting.first()) {
        if (call.item.length > left && !(atLeastOne && calls.length === 0)) break
        waiting.shift()
        left -= call.item.length
        calls.push(call)
      }
      return calls
    },
    /** Rejects those that were added before this time, or at it. */
    rejectUntil: (time: number, error: unknown): void => {
      for (let call = waiting.oldest(); call !== undefined; call = waiting.oldest()) {
        if (call.addedAt > time) return
        waiting.remove(call)
        call.reject(error)
      }
    },
    isEmpty: () => waiting.length() === 0,
  }
}

const sizeOf = (calls: readonly Entry<readonly unknown[], never>[]): number =>
  calls.reduce((size, { item }) => size + item.length, 0)

/**
 * The calls that wait for a slot. Those for one key and those for several take turns. In one queue, the calls of one client for 100
 * keys each delayed all others by as many loads.
 */
export const waitingCalls = <Keys extends readonly unknown[], Result>(maxBatchSize: number) => {
  const one = callsForOne<Entry<Keys, Result>>()
  const several = callsForSeveral<Entry<Keys, Result>>()
  let isTurnOfSeveral = false

  return {
    add: (keys: Keys): Promise<Result> => {
      const { entry, promise } = entryOf<Keys, Result>(keys)
      const calls = keys.length > 1 ? several : one
      calls.add(entry)
      return promise
    },
    /** Removes and returns as many as fit into a batch, but at least one. */
    take: (): Entry<Keys, Result>[] => {
      if (several.isEmpty()) return one.take(maxBatchSize)
      isTurnOfSeveral = !isTurnOfSeveral || one.isEmpty()
      const first = isTurnOfSeveral
        ? several.take(maxBatchSize, { atLeastOne: true })
        : one.take(maxBatchSize)
      const room = Math.max(0, maxBatchSize - sizeOf(first))
      return first.concat(isTurnOfSeveral ? one.take(room) : several.take(room, { atLeastOne: false }))
    },
    /** Rejects the calls that have waited for this long. */
    rejectAfter: (ms: number, error: unknown): void => {
      const time = performance.now() - ms
      one.rejectUntil(time, error)
      several.rejectUntil(time, error)
    },
    isEmpty: () => one.isEmpty() && several.isEmpty(),
  }
}

export type WaitingCalls<Keys extends readonly unknown[], Result> = ReturnType<
  typeof waitingCalls<Keys, Result>
>
