import { setTimeout as delay } from 'node:timers/promises'

/** Waits, or until the signal aborts; never rejects, and keeps no process alive. */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {})
}

/**
 * Does the work again and again, with a pause of `ms` from the end of one round to the beginning of the next, until the signal
 * aborts. Resolves when the last round is over; rejects with what the work rejects with.
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
