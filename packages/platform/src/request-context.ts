import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { linkToFirst, type Span, trace } from './tracing.ts'

/** What belongs to the request under way, whatever its protocol. It reaches log lines and calls to other services. */
export type RequestContext = Readonly<{
  requestId: string
  /** Aborted when the caller no longer waits for the answer. */
  signal?: AbortSignal
}>

export const requestContext = new AsyncLocalStorage<RequestContext>()

/** The header (HTTP) and metadata key (gRPC) that carries the request id. */
export const requestIdHeader = 'x-request-id'

const printable = /^[\x21-\x7e]{1,128}$/

/** The caller's request id when it is 1..128 printable characters, a new one otherwise. */
export const requestIdFrom = (given: unknown): string =>
  typeof given === 'string' && printable.test(given) ? given : randomUUID()

/** Aborted when all of the signals are: when nobody waits any more. Never, when somebody has no signal. */
const allAborted = (signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined => {
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

/** Runs what several wait for: with the request id, and in the trace, of the first, and until the last one has gone. */
export const onBehalfOf = <Result>(waiters: readonly Waiter[], run: () => Result): Result => {
  linkToFirst(waiters.map(({ span }) => span))
  const first = waiters[0]?.request
  if (first === undefined) return run()
  const signal = allAborted(waiters.map(({ request }) => request?.signal))
  return requestContext.run({ requestId: first.requestId, ...(signal && { signal }) }, run)
}
