import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import type { Principal } from '@shop/kernel/principal.ts'
import { linkToFirst, type Span, trace } from './tracing/api.ts'

/** The current HTTP or gRPC request. Log lines and calls to other services carry its ids. */
export type RequestContext = Readonly<{
  requestId: string
  /**
   * The ids of the other requests that wait for the same work. They are computed on demand: there may be many, and they
   * are rarely read. A function, because to make an object with a getter takes 0.3 µs.
   */
  joinedIds?: (() => readonly string[] | undefined) | undefined
  /** Whose share of the limits the request uses, as found by `clientFinder`. */
  client?: string | undefined
  /** The caller. Work that several callers share has none: see `onBehalfOf`. */
  principal?: Principal | undefined
  /** Aborted when the caller no longer waits for the response. */
  signal?: AbortSignal | undefined
}>

export const requestContext = new AsyncLocalStorage<RequestContext | undefined>()

/** Runs `work` as a part of the current request. It stops when the signal aborts, also if nothing else may stop it. */
export const stopOnAbort = <Result>(signal: AbortSignal, work: () => Result): Result => {
  const request = requestContext.getStore()
  const both = request?.signal === undefined ? signal : AbortSignal.any([signal, request.signal])
  return requestContext.run(
    request === undefined ? { requestId: randomUUID(), signal: both } : { ...request, signal: both },
    work,
  )
}

/** The header (HTTP) and metadata key (gRPC) that carries the request id. */
export const requestIdHeader = 'x-request-id'

/** At most this many joined ids are passed on, because the size of headers is limited. */
export const maxJoinedIds = 50

/** 1..128 printable ASCII characters. Spaces and tabs around the value of a header are not part of it (RFC 9110 §5.5). */
const requestIdForm = /^[ \t]*([!-~](?:[ -~]{0,126}[!-~])?)[ \t]*$/

/** Returns the request id in the text, or undefined if the text is not a valid id. */
export const parseRequestId = (text: string): string | undefined => requestIdForm.exec(text)?.[1]

/** Returns the caller's request id if it has 1..128 printable characters, otherwise a new id. */
export const requestIdFrom = (received: unknown): string =>
  (typeof received === 'string' ? parseRequestId(received) : undefined) ?? randomUUID()

const ignore = () => {}

/** A caller that waits for shared work: its request and its span. */
export type Waiter = Readonly<{ request: RequestContext | undefined; span: Span | undefined }>

export const currentWaiter = (): Waiter => ({
  request: requestContext.getStore(),
  span: trace.getActiveSpan(),
})

/**
 * Returns a signal that aborts once all waiters have gone, never if one of them has no signal: the work must then finish. One
 * waiter is watched at a time, because most of them never go, and the signals of calls are made when they are read. Call
 * `release` after the work: the signal of a connection lives longer, and would keep what listens to it.
 */
const allAborted = (waiters: readonly Waiter[]) => {
  const first = waiters[0]?.request?.signal
  if (first === undefined || waiters.length === 1) return { signal: first, release: ignore }
  const controller = new AbortController()
  const rest = [...waiters]
  let watched: AbortSignal | undefined
  const watchNext = (): void => {
    const gone = watched
    do {
      const next = rest.pop()
      if (next === undefined) return controller.abort((gone ?? watched)?.reason)
      watched = next.request?.signal
    } while (watched?.aborted)
    watched?.addEventListener('abort', watchNext, { once: true })
  }
  watchNext()
  return { signal: controller.signal, release: () => watched?.removeEventListener('abort', watchNext) }
}

/** The distinct request ids of the waiters except `id`, up to the limit; undefined if there are none. */
const otherIds = (waiters: readonly Waiter[], id: string): readonly string[] | undefined => {
  const ids = new Set<string>()
  for (const { request } of waiters) {
    if (request !== undefined && request.requestId !== id) ids.add(request.requestId)
    if (ids.size === maxJoinedIds) break
  }
  return ids.size === 0 ? undefined : [...ids]
}

/**
 * Runs work that several callers wait for, with the request id and in the trace of the first. The signal of
 * the work aborts when the last caller stops waiting. Rejects with the abort reason if all have already stopped
 * waiting. The work has no principal, so that it cannot depend on what the first caller may do.
 */
export const onBehalfOf = async <Result>(
  waiters: readonly Waiter[],
  run: () => Promise<Result>,
): Promise<Result> => {
  linkToFirst(waiters.map(({ span }) => span))
  const first = waiters[0]?.request
  if (first === undefined) return requestContext.run(undefined, run)
  const { requestId, client } = first
  const { signal, release } = allAborted(waiters)
  signal?.throwIfAborted()
  const context = {
    requestId,
    client,
    joinedIds: () => otherIds(waiters, requestId),
    ...(signal && { signal }),
  }
  try {
    return await requestContext.run(context, run)
  } finally {
    release()
  }
}
