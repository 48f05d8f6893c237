import type { Metrics } from '../../metrics/metrics.ts'
import type { Rates } from './rates.ts'
import { RequestRate } from './request-rate.ts'
import { ToldLimit } from './told-limit.ts'

/** What the limits of requests are apart for. */
export type RequestKind = 'reads' | 'writes'

/** How much one identity may use in a minute; undefined for no limit. */
export type RatesConfig = Readonly<{
  reads: number | undefined
  writes: number | undefined
  /** Another window than a minute, for tests. */
  windowSeconds?: number
}>

/** All guests of one address may together use this many times the quota of one. */
const guestsOfAddress = 10

const unlimited: RatesConfig = { reads: undefined, writes: undefined }

export type RequestRates = Readonly<Record<RequestKind, RequestRate | undefined>>

/**
 * Creates the limits of requests. A refused request is counted in the metrics as `rate_reads` or `rate_writes`: `writes` are those of a
 * store that wait.
 */
export const createRequestRates = (
  rates: Rates,
  { refusals }: Pick<Metrics, 'refusals'>,
  { windowSeconds = 60, ...quotas }: RatesConfig = unlimited,
): RequestRates => {
  const create = (kind: RequestKind): RequestRate | undefined => {
    const quota = quotas[kind]
    if (quota === undefined) return undefined
    const labels = { reason: `rate_${kind}`, scope: 'client' } as const
    // Prometheus needs the 0 to notice the first refusal.
    refusals.inc(labels, 0)
    const limit = (name: string, times: number) => rates.limit({ name, quota: quota * times, windowSeconds })
    const countRefusal = () => refusals.inc(labels)
    return new RequestRate(
      new ToldLimit(limit(kind, 1), kind, countRefusal),
      new ToldLimit(
        limit(`guest_${kind}`, guestsOfAddress),
        `${kind} of guests at your address`,
        countRefusal,
      ),
    )
  }
  return { reads: create('reads'), writes: create('writes') }
}
