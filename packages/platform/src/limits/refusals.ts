import type { AppError } from '@shop/kernel/errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Exceeded } from './budget.ts'
import { beginRefusals, refusalsOf } from './limits.ts'

/** Returns the error for a caller that is refused: `rate_limited` or `unavailable`. */
export type Refuse = (exceeded: Exceeded) => AppError

/** Counts each refusal under this reason, from 0 on. `what` names in the error what there is too much of. */
export const countedRefusals = (
  reason: string,
  what: string,
  metrics: Pick<Metrics, 'refusals'> | undefined,
): Refuse => {
  const refusals = refusalsOf(what)
  if (metrics) beginRefusals(metrics, reason)
  return (exceeded) => {
    metrics?.refusals.inc({ reason, scope: exceeded })
    return refusals[exceeded]
  }
}
