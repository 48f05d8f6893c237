import { AppError } from '@shop/kernel/errors.ts'
import type { RateDecision, RatePolicy } from './policy.ts'
import type { RateLimit } from './rate-limit.ts'

/** What clients are told of a decision. */
export type Told = Readonly<{
  /** The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). */
  policy: string
  /** The value of `RateLimit`. */
  state: string
  refusal: AppError | undefined
}>

/** One policy of the limit of a kind of requests: its decisions as clients are told of them. */
export class ToldLimit {
  readonly #limit: RateLimit
  readonly #what: string
  readonly #onRefusal: () => void
  /** What depends on the quota, which changes while nothing is shared. The errors are by their seconds: an attack produces many. */
  #quota = 0
  #policyField = ''
  #refusals = new Map<number, AppError>()

  constructor(limit: RateLimit, what: string, onRefusal: () => void) {
    this.#limit = limit
    this.#what = what
    this.#onRefusal = onRefusal
  }

  /** Takes at most what remains of a whole quota after the first point, so that what costs more can be had at all. */
  take(identity: string, points: number): RateDecision | Promise<RateDecision> {
    return this.#limit.take(identity, points === 1 ? 1 : Math.max(1, Math.min(points, this.#limit.quota - 1)))
  }

  tell({ isAllowed, remaining, resetMs }: RateDecision): Told {
    const { policy, quota } = this.#limit
    if (quota !== this.#quota) this.#begin(policy, quota)
    // Rounded up, so that a client that waits for this long finds the window ended.
    const seconds = Math.ceil(resetMs / 1_000)
    return {
      policy: this.#policyField,
      state: `"${policy.name}";r=${isAllowed ? remaining : 0};t=${seconds}`,
      refusal: isAllowed ? undefined : this.#refusalAfter(Math.max(1, seconds)),
    }
  }

  #begin({ name, windowSeconds }: RatePolicy, quota: number): void {
    this.#quota = quota
    this.#policyField = `"${name}";q=${quota};w=${windowSeconds}`
    this.#refusals = new Map()
  }

  #refusalAfter(seconds: number): AppError {
    this.#onRefusal()
    const known = this.#refusals.get(seconds)
    if (known !== undefined) return known
    const { windowSeconds } = this.#limit.policy
    const message = `more than ${this.#quota} points of ${this.#what} within ${windowSeconds} s, try again in ${seconds} s`
    const refusal = new AppError('rate_limited', message, { retryAfterSeconds: seconds })
    this.#refusals.set(seconds, refusal)
    return refusal
  }
}
