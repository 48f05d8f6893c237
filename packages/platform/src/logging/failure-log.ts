import { inspect } from 'node:util'
import type { Logger } from './logger.ts'

const intervalMs = 10_000

/** While this many causes are remembered, all further ones count as one. */
const maxCauses = 100

const maxCauseDepth = 5
const maxCauseLength = 500

/** Only the type of an object that is not an Error: its members may be secret, and the line is not redacted. */
const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return Object(error) === error ? 'a thrown object' : inspect(error)
  // An AggregateError, such as of a host with two addresses, may have only a code.
  return error.message || ('code' in error ? String(error.code) : error.name)
}

/** The messages of an error and of its causes, in one line. */
const causeOf = (error: unknown): string => {
  const messages = [messageOf(error)]
  let current = error
  while (current instanceof Error && current.cause !== undefined && messages.length < maxCauseDepth) {
    current = current.cause
    messages.push(messageOf(current))
  }
  return messages.join(': ').slice(0, maxCauseLength)
}

/** Equal for errors that differ only in numbers, such as durations, and were thrown at the same place. */
const identityOf = (error: unknown, cause: string): string => {
  const [place = ''] = (error instanceof Error && /\n +at .*/.exec(error.stack ?? '')) || []
  return cause.replace(/\d+/g, '0') + place
}

/**
 * Creates the log of failures. The first failure with a cause is logged with its stack. Repetitions are
 * counted, and one line every ten seconds reports their number, because an outage would otherwise fill the
 * log files within seconds and remove the line that tells how it began. A cause that did not occur for an
 * interval is logged in full again.
 */
export const createFailureLog = (logger: Logger, message: string, level: 'error' | 'warn' = 'error') => {
  const repetitions = new Map<string, { cause: string; count: number }>()
  let timer: NodeJS.Timeout | undefined
  const stopTimer = () => {
    clearInterval(timer)
    timer = undefined
  }
  const report = () => {
    for (const [identity, { cause, count }] of repetitions) {
      if (count === 0) repetitions.delete(identity)
      else {
        logger[level]({ cause, count }, `${message} repeatedly`)
        repetitions.set(identity, { cause, count: 0 })
      }
    }
    if (repetitions.size === 0) stopTimer()
  }
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
        logger[level]({ ...fields, cause, err: error }, message)
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
