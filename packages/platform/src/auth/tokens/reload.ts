import { AsyncLocalStorage } from 'node:async_hooks'
import { afterResponsiveTime } from '../../resilience/responsive-timer.ts'
import type { KeySource } from './key-source.ts'
import { parseKeys } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'

const deadlineMs = 1_000

/** Rejects after the deadline even if the work does not end. Time in which this process was too busy to receive does not count. */
const withinDeadline = async <Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const controller = new AbortController()
  using _ = afterResponsiveTime(deadlineMs, () => {
    const error = new Error(`there was no answer within ${deadlineMs} ms`)
    controller.abort(error)
    reject(error)
  })
  work(controller.signal).then(resolve, reject)
  return await promise
}

type ReloadOptions = Readonly<{
  source: KeySource
  known: KnownKeys
  monotonic: () => number
  onReload?: ((outcome: 'ok' | 'failed') => void) | undefined
}>

/** Creates the attempts to load the keys. One runs at a time, and those who ask meanwhile share it. */
export const createReload = ({ source, known, monotonic, onReload }: ReloadOptions) => {
  let running: Promise<void> | undefined
  let attemptedAt = Number.NEGATIVE_INFINITY
  // An attempt belongs to no request, although one may have caused it.
  const detached = AsyncLocalStorage.snapshot()
  const attempt = async (): Promise<void> => {
    attemptedAt = monotonic()
    try {
      const text = await withinDeadline(source.load)
      const keys = known.current()
      known.noteLoaded(text === keys?.text ? keys : await parseKeys(text))
      onReload?.('ok')
    } catch (error) {
      known.noteFailure(error)
      onReload?.('failed')
    }
  }
  return {
    isRunning: () => running !== undefined,
    /** When the last attempt began. */
    attemptedAt: () => attemptedAt,
    /** Never rejects: `known` has the outcome. */
    run: (): Promise<void> => {
      running ??= detached(attempt).finally(() => {
        running = undefined
      })
      return running
    },
  }
}
