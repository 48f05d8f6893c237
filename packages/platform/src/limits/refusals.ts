import { AppError } from '@shop/kernel/errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Exceeded } from './budget.ts'

/** Returns the error for a caller that is refused: `rate_limited` or `unavailable`. */
export type Refuse = (exceeded: Exceeded) => AppError

/**
 * Counts each refusal under this reason, in snake case. `what` names in the error what there is too much of. The errors are
 * created once: an attack produces many refusals, and each error would capture its own stack trace.
 */
export const countedRefusals = (
  reason: string,
  what: string,
  metrics: Pick<Metrics, 'refusals'> | undefined,
): Refuse => {
  const errors: Readonly<Record<Exceeded, AppError>> = {
    client: new AppError('rate_limited', `too many ${what} from your address, try again later`),
    total: new AppError('unavailable', `too many ${what}, try again later`),
  }
  // Prometheus needs the 0 to notice the first refusal.
  for (const scope in errors) metrics?.refusals.inc({ reason, scope }, 0)
  return (exceeded) => {
    metrics?.refusals.inc({ reason, scope: exceeded })
    return errors[exceeded]
  }
}
