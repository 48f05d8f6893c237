import { setTimeout as delay } from 'node:timers/promises'

/** Waits for `ms` or until the signal aborts. Never rejects, and does not keep the process alive. */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {})
}

/**
 * Repeats the work until the signal aborts, with a pause of `ms` from the end of one run to the start of the
 * next. Resolves after the last run; rejects if a run fails.
 */
export const every = async (
  ms: number | (() => number),
  work: (signal: AbortSignal) => unknown,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    await work(signal)
    await pause(typeof ms === 'number' ? ms : ms(), signal)
  }
}
