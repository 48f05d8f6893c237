import { expectedFailure } from '../../failure.ts'
import { createFailureLog } from '../../logging/failure-log.ts'
import type { Logger } from '../../logging/logger.ts'
import type { RatePolicy, ShareUsage } from './policy.ts'
import { RateLimit } from './rate-limit.ts'

type Options = Readonly<{
  /** The processes of this instance. */
  processes: number
  /** Without it, each process counts by itself. */
  shareUsage?: ShareUsage | undefined
  logger: Logger
}>

/**
 * Returns a function that creates the limit of a policy. While the store is away, each process limits by what it has seen itself,
 * and the log says so.
 */
export const createRates = ({ processes, shareUsage, logger }: Options) => {
  const failures = createFailureLog(logger, 'rate limits are not shared: each process counts by itself', {
    level: 'warn',
    fieldsOf: expectedFailure,
  })
  return {
    limit: (policy: RatePolicy): RateLimit =>
      new RateLimit({
        policy,
        processes,
        shared: shareUsage?.(policy),
        onFailure: (error) => void failures.record(error),
      }),
    [Symbol.dispose]: (): void => failures.close(),
  }
}

export type Rates = ReturnType<typeof createRates>
