import { AsyncLocalStorage } from 'node:async_hooks'
import { causeOf, failureFields } from '../failure.ts'
import type { Logger } from './logger.ts'

const intervalMs = 10_000

/** While this many causes are remembered, all further ones count as one. */
const maxCauses = 100

/** Equal for errors that differ only in numbers, such as durations, and were thrown at the same place. */
const identityOf = (error: unknown, cause: string): string => {
  const [place = ''] = (error instanceof Error && /\n +at .*/.exec(error.stack ?? '')) || []
  return cause.replace(/\d+/g, '0') + place
}

type FailureLogOptions = Readonly<{
  level?: 'error' | 'warn'
  /** `expectedFailure` where only outages are recorded, so that no error is a bug. */
  fieldsOf?: (error: unknown) => Readonly<{ cause: string; err: unknown }>
}>

/**
 * Creates the log of failures. The first failure with a cause is logged with its error. Repetitions are
 * counted, and one line every ten seconds reports their number, because an outage would otherwise fill the
 * log files within seconds and remove the line that tells how it began. A cause that did not occur for an
 * interval is logged in full again. The count has no request id, although the timer starts in a request.
 */
export const createFailureLog = (logger: Logger, message: string, options: FailureLogOptions = {}) => {
  const { level = 'error', fieldsOf = failureFields } = options
  const repetitions = new Map<string, { cause: string; count: number }>()
  let timer: NodeJS.Timeout | undefined
  const stopTimer = () => {
    clearInterval(timer)
    timer = undefined
  }
  const report = AsyncLocalStorage.bind(() => {
    for (const [identity, { cause, count }] of repetitions) {
      if (count === 0) repetitions.delete(identity)
      else {
        logger[level]({ cause, count }, `${message} repeatedly`)
        repetitions.set(identity, { cause, count: 0 })
      }
    }
    if (repetitions.size === 0) stopTimer()
  })
  return {
    /** Logs or counts the failure. Returns its cause in one line, for the line of the request. */
    record: (error: unknown, fields: Readonly<Record<string, unknown>> = {}): string => {
      timer ??= setInterval(report, intervalMs).unref()
      const cause = causeOf(error)
      const exact = identityOf(error, cause)
      const identity = repetitions.has(exact) || repetitions.size < maxCauses ? exact : 'other'
      const known = repetitions.get(identity)
      if (known !== undefined) known.count += 1
      else {
        repetitions.set(identity, { cause: identity === 'other' ? 'other causes' : cause, count: 0 })
        logger[level]({ ...fields, ...fieldsOf(error) }, message)
      }
      return cause
    },
    /** Reports the failures counted so far, and stops the timer. */
    close: (): void => {
      report()
      stopTimer()
    },
  }
}

export type FailureLog = ReturnType<typeof createFailureLog>
