import type { AppError } from '@shop/kernel/errors.ts'
import type { Metrics } from '../../metrics/metrics.ts'

/**
 * Counts each refusal by a rate under this reason, in snake case. Returns a function that returns the error for a caller that may
 * try again after `waitMs`. There is one error for each number of seconds: an attack produces many, and each would capture its own
 * stack trace.
 */
export const rateRefusals = (
  reason: string,
  errorAfter: (retryAfterSeconds: number) => AppError,
  { refusals }: Pick<Metrics, 'refusals'>,
): ((waitMs: number) => AppError) => {
  const labels = { reason, scope: 'client' }
  // Prometheus needs the 0 to notice the first refusal.
  refusals.inc(labels, 0)
  const errors = new Map<number, AppError>()
  return (waitMs) => {
    refusals.inc(labels)
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000))
    const error = errors.get(seconds) ?? errorAfter(seconds)
    errors.set(seconds, error)
    return error
  }
}
