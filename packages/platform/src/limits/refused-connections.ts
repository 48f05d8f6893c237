import type { AppError } from '@shop/kernel/errors.ts'
import { expectedFailure } from '../failure.ts'
import { createFailureLog } from '../logging/failure-log.ts'
import type { Logger } from '../logging/logger.ts'
import type { Exceeded } from './budget.ts'
import type { Limits } from './limits.ts'

/**
 * Counts refused connections, and logs when the process cannot take more: because of `MAX_CONNECTIONS`, or because it may
 * not open more files. Without addresses, which are personal data. A client that exceeds its share is only counted.
 */
export const connectionRefusals = (logger: Logger, { refuse }: Pick<Limits, 'refuse'>) => {
  const failures = createFailureLog(logger, 'connections are refused', {
    level: 'warn',
    fieldsOf: expectedFailure,
  })
  return {
    /** Returns the error for the client. */
    refuse: (exceeded: Exceeded): AppError => {
      const error = refuse('connections', exceeded)
      if (exceeded === 'total') failures.record(error)
      return error
    },
    /** For the `error` event of a listener. Without a listener for it, the process would end. */
    acceptFailed: (error: Error): void => void failures.record(error),
    close: failures.close,
  }
}
