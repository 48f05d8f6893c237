import { causeOf } from '../failure.ts'
import type { Logger } from '../logging/logger.ts'
import { requestContext } from '../request-context.ts'
import type { Trouble } from './destinations.ts'

type Options = Readonly<{
  logger: Pick<Logger, 'error' | 'info'>
  /** Counts lost lines. */
  count: (lines: number) => void
  /** Called when lines can be written again, if some were lost. */
  onLoss: (lines: number) => void
}>

/**
 * Says once that lines cannot be written, on standard error and in the log, because the log may be on the same disk; and once
 * that they can be again, and how many were lost.
 */
export const createTrouble = ({ logger, count, onLoss }: Options) => {
  let isFailing = false
  let lost = 0

  const trouble: Trouble = {
    failed: (error) => {
      if (isFailing) return
      isFailing = true
      const cause = causeOf(error)
      process.stderr.write(`audit lines cannot be written: ${cause}\n`)
      // Not with the id of the request whose line was the first.
      requestContext.run(undefined, () => logger.error({ cause }, 'audit lines cannot be written'))
    },
    ended: () => {
      if (!isFailing) return
      isFailing = false
      const before = lost
      requestContext.run(undefined, () => logger.info({ lost: before }, 'audit lines are written again'))
      lost = 0
      if (before > 0) onLoss(before)
    },
    lost: (lines) => {
      lost += lines
      count(lines)
    },
  }

  return {
    ...trouble,
    /** Says how many lines were lost in the end. */
    close: (): void => {
      if (lost > 0) process.stderr.write(`${lost} audit lines are lost\n`)
    },
  }
}
