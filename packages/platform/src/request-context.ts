import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { linkToFirst, type Span, trace } from './tracing/api.ts'

/** What belongs to the request under way, whatever its protocol. It reaches log lines and calls to other services. */
export type RequestContext = Readonly<{
  requestId: string
  /** The ids of other requests that wait for the same. */
  joinedIds?: readonly string[] | undefined
  /** Aborted when the caller no longer waits for the answer. */
  signal?: AbortSignal | undefined
}>

export const requestContext = new AsyncLocalStorage<RequestContext>()

/** The header (HTTP) and metadata key (gRPC) that carries the request id. */
export const requestIdHeader = 'x-request-id'

/** The metadata key (gRPC) that carries the ids of the other requests that wait for the same call, with spaces between. */
export const joinedIdsHeader = 'x-joined-request-ids'

/** So many of them are told: headers have their limits. */
const maxJoinedIds = 50

const printable = /^[\x21-\x7e]{1,128}$/

/** The caller's request id when it is 1..128 printable characters, a new one otherwise. */
export const requestIdFrom = (given: unknown): string =>
  typeof given === 'string' && printable.test(given) ? given : randomUUID()

/** Those of the caller that are ids; none, not an empty list. */
export const joinedIdsFrom = (given: unknown): readonly string[] | undefined => {
  if (typeof given !== 'string') return undefined
  const ids = given.split(' ').filter((id) => printable.test(id))
  return ids.length === 0 ? undefined : ids.slice(0, maxJoinedIds)
}

/** Aborted when all of the signals are: when nobody waits any more. Never, when somebody has no signal. */
const allAborted = (signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined => {
  if (signals.length === 1) return signals[0]
  if (signals.includes(undefined)) return undefined
  const nobody = new AbortController()
  let waiting = signals.length
  const leave = (signal: AbortSignal) => {
    waiting -= 1
    if (waiting === 0) nobody.abort(signal.reason)
  }
  for (const signal of signals) {
    if (signal?.aborted) leave(signal)
    else signal?.addEventListener('abort', () => leave(signal), { once: true })
  }
  return nobody.signal
}

/** Who waits for something: its request, and its span. */
export type Waiter = Readonly<{ request: RequestContext | undefined; span: Span | undefined }>

export const currentWaiter = (): Waiter => ({
  request: requestContext.getStore(),
  span: trace.getActiveSpan(),
})

/** The ids of the waiters but for this one, each once, and not more than are told; none, not an empty list. */
const otherIds = (waiters: readonly Waiter[], id: string): readonly string[] | undefined => {
  const ids = new Set<string>()
  for (const { request } of waiters) {
    if (request !== undefined && request.requestId !== id) ids.add(request.requestId)
    if (ids.size === maxJoinedIds) break
  }
  return ids.size === 0 ? undefined : [...ids]
}

/**
 * Runs what several wait for: with the request id, and in the trace, of the first, and until the last one has gone. Throws the
 * reason when all have gone already.
 */
export const onBehalfOf = <Result>(waiters: readonly Waiter[], run: () => Result): Result => {
  linkToFirst(waiters.map(({ span }) => span))
  const first = waiters[0]?.request
  if (first === undefined) return run()
  const { requestId } = first
  const signal = allAborted(waiters.map(({ request }) => request?.signal))
  signal?.throwIfAborted()
  const context = {
    requestId,
    // Few ask for them, and there may be many.
    get joinedIds() {
      return otherIds(waiters, requestId)
    },
    ...(signal && { signal }),
  }
  return requestContext.run(context, run)
}
