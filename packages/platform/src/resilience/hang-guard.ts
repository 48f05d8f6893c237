import { AppError } from '@shop/kernel/errors.ts'
import type { BreakerState } from './breaker.ts'
import { every } from './every.ts'

/** The pause between two checks of the calls in progress. */
const checkPauseMs = 100

type HangGuardOptions = Readonly<{
  /** If no call has received a response for this long, the server gets a ping. */
  overdueMs: number
  /** The pause between two pings while the server hangs. */
  pingPauseMs: number
  /** Rejects if the server does not respond within a time limit. */
  ping: () => Promise<unknown>
  /** The error message for callers while the server hangs. */
  message: string
  /** Receives the initial state and every later one: `open` while the server hangs. */
  onState?: ((state: BreakerState) => void) | undefined
  /** Ends the checks; calls are then no longer protected. */
  signal: AbortSignal
}>

type Call = Readonly<{ startedAt: number; reject: (error: unknown) => void }>

/** The calls in progress, and whether the server responds. */
const createServerState = ({ onState, message }: Pick<HangGuardOptions, 'onState' | 'message'>) => {
  const calls = new Set<Call>()
  /** Aborts the calls in progress. They share it, because a controller for each takes 2 µs. */
  let abort = new AbortController()
  let isHung = false
  let respondedAt = performance.now()
  onState?.('closed')

  const enter = (hung: boolean) => {
    if (hung !== isHung) onState?.(hung ? 'open' : 'closed')
    isHung = hung
  }
  const hangError = () =>
    new AppError('unavailable', message, { cause: new Error('the server does not respond') })
  return {
    calls,
    signal: () => abort.signal,
    isHung: () => isHung,
    hangError,
    /** How long a call has been waiting without any response from the server. */
    silenceMs: () => {
      // A set is in order of insertion, so the first call is the oldest.
      const [oldest] = calls
      return oldest === undefined ? 0 : performance.now() - Math.max(oldest.startedAt, respondedAt)
    },
    hasRespondedSince: (time: number) => respondedAt >= time,
    noteResponse: () => {
      respondedAt = performance.now()
      enter(false)
    },
    noteHang: () => {
      enter(true)
      const aborted = abort
      abort = new AbortController()
      aborted.abort(hangError())
      for (const { reject } of calls) reject(hangError())
    },
  }
}

/**
 * Protects callers from a server that hangs, as opposed to one where a call waits for a lock. If no call has
 * received a response for a while, the server gets a ping. If it does not respond to that either, all calls in
 * progress and all further calls fail with `unavailable`, until it responds. The signal of a call in progress is
 * aborted, but what it has already sent may still take effect.
 */
export const createHangGuard = (options: HangGuardOptions) => {
  const { overdueMs, pingPauseMs, ping, signal } = options
  const server = createServerState(options)

  const check = async () => {
    if (server.silenceMs() < overdueMs && !server.isHung()) return
    const started = performance.now()
    await ping().then(server.noteResponse, () => {
      if (!server.hasRespondedSince(started)) server.noteHang()
    })
  }
  void every(() => (server.isHung() ? pingPauseMs : checkPauseMs), check, signal)

  return async <Result>(run: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
    if (server.isHung()) throw server.hangError()
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const call: Call = { startedAt: performance.now(), reject }
    server.calls.add(call)
    const settle = async () => {
      // The response is noted even after the caller has been rejected. Errors of connections are not responses.
      try {
        const result = await run(server.signal())
        server.noteResponse()
        resolve(result)
      } catch (error) {
        if (error instanceof AppError && error.kind !== 'unavailable') server.noteResponse()
        reject(error)
      }
    }
    void settle()
    try {
      return await promise
    } finally {
      server.calls.delete(call)
    }
  }
}
