import { AsyncResource } from 'node:async_hooks'
import type { RequestContext } from '../request-context.ts'
import type { Turn } from '../resilience/share-identical.ts'
import type { Exceeded } from './budget.ts'
import type { Client } from './client.ts'
import { fairQueue } from './fair-queue.ts'
import type { Refuse } from './refusals.ts'

export type WaitingOptions = Readonly<{
  /** At most this many tasks wait. */
  maxWaiting: number
  /** At most this many of them are of one client. Clients without an identity have no share. */
  maxWaitingPerClient: number
  /** A task that has waited for this long is refused, and never runs. */
  maxWaitMs: number
  refuse: Refuse
}>

export type Request = RequestContext | undefined

/** A task that waits. */
type Entry = Readonly<{ start: () => void }>

/**
 * Calls `leave` when all requests that were added have been aborted. A request without a signal never is. After `stop`, no
 * signal refers to this: a kept connection refers to the signal of its last request, and would keep the result of the task.
 * 200 connections with a page of 1 MB each kept 200 MB.
 */
const watchRequests = (leave: (reason: unknown) => void) => {
  const removals: (() => void)[] = []
  let waiting = 0
  return {
    add: (requests: readonly Request[]): void => {
      waiting += requests.length
      for (const request of requests) {
        const signal = request?.signal
        const onAbort = () => {
          waiting -= 1
          if (waiting === 0) leave(signal?.reason)
        }
        if (signal?.aborted) onAbort()
        else {
          signal?.addEventListener('abort', onAbort, { once: true })
          removals.push(() => signal?.removeEventListener('abort', onAbort))
        }
      }
    },
    stop: (): void => {
      for (const remove of removals.splice(0)) remove()
    },
  }
}

type Queue = ReturnType<typeof fairQueue<Entry>>
type Add = (client: Client, entry: Entry) => void

/** Puts a task into the queue. `add` adds it for a client, or not. */
const enqueue = <Result>(
  { queue, add }: Readonly<{ queue: Queue; add: Add }>,
  { maxWaitMs, refuse }: WaitingOptions,
  task: () => Promise<Result>,
): Turn<Result> => {
  const { promise: result, resolve, reject } = Promise.withResolvers<Result>()
  let isWaiting = true
  const end = () => {
    isWaiting = false
    clearTimeout(timer)
    requests.stop()
    queue.remove(entry)
  }
  const leave = (error: unknown) => {
    if (!isWaiting) return
    end()
    reject(error)
  }
  const timer = setTimeout(() => leave(refuse('total')), maxWaitMs)
  const requests = watchRequests(leave)
  const entry: Entry = {
    // In the asynchronous context of the caller, not of the task that makes room.
    start: AsyncResource.bind(() => {
      end()
      resolve(task())
    }),
  }
  const join = (...joining: readonly Request[]) => {
    if (!isWaiting) return
    for (const request of joining) add(request?.client, entry)
    timer.refresh()
    requests.add(joining)
  }
  return { result, join }
}

/**
 * Tasks that wait for their turn, in a bounded queue that takes the clients in turn. A task of several callers has a place
 * for the client of each, so that it does not wait behind the other tasks of one of them.
 */
export const waitingTasks = (options: WaitingOptions) => {
  const { maxWaiting, maxWaitingPerClient } = options
  const queue = fairQueue<Entry>()
  const hasRoom = (client: Client) => client === undefined || queue.lengthOf(client) < maxWaitingPerClient
  const add: Add = (client, entry) => {
    if (!queue.has(client, entry)) queue.add(client, entry)
  }
  const addIfRoom: Add = (client, entry) => {
    if (hasRoom(client)) add(client, entry)
  }
  return {
    /** Why a task of these requests cannot wait. One client with room is enough. */
    refusalOf: (requests: readonly Request[]): Exceeded | undefined => {
      if (!requests.some((request) => hasRoom(request?.client))) return 'client'
      return queue.length() >= maxWaiting ? 'total' : undefined
    },
    add: <Result>(
      requests: readonly Request[],
      task: () => Promise<Result>,
      anyway: boolean,
    ): Turn<Result> => {
      const turn = enqueue({ queue, add: anyway ? add : addIfRoom }, options, task)
      turn.join(...requests)
      return turn
    },
    /** Runs the task whose turn it is. Returns false if there is none. */
    startNext: (): boolean => {
      const next = queue.shift()
      next?.start()
      return next !== undefined
    },
    length: queue.length,
  }
}
