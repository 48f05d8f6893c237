import { unrestricted } from '@shop/kernel/principal.ts'
import { identityOf, type RateIdentity } from '@shop/platform/limits/rates/identity.ts'
import type { RateDecision } from '@shop/platform/limits/rates/policy.ts'
import { rateRefusals } from '@shop/platform/limits/rates/rate-refusals.ts'
import type { Rates } from '@shop/platform/limits/rates/rates.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { type RequestContext, requestContext } from '@shop/platform/request-context.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { tooManyNewBaskets } from '../domain/errors.ts'
import { mayBeStored } from './may-be-stored.ts'

/** Ends an update before anything is written, because the point for the basket is not taken. */
const notTaken = new Error('the point for the basket is not taken')

type RateLimit = ReturnType<Rates['limit']>

type Decision = RateDecision | Promise<RateDecision>

/** The point that an update takes if it creates a basket. */
class Point {
  readonly #limit: RateLimit
  readonly #request: RequestContext | undefined
  #identity: RateIdentity
  #decision: Decision | undefined
  #isTaken = false

  constructor(limit: RateLimit, request: RequestContext | undefined) {
    this.#limit = limit
    this.#request = request
  }

  /** Takes the point, unless that is done. Throws `notTaken` if there is none left, or if that is not known yet. */
  take(): void {
    const decision = this.#decision ?? this.#begin()
    if (decision instanceof Promise || decision?.isAllowed === false) throw notTaken
  }

  #begin(): Decision | undefined {
    const { principal = unrestricted, client } = this.#request ?? {}
    this.#identity = identityOf(principal, client)
    if (this.#identity === undefined) return undefined
    const decision = this.#limit.take(this.#identity)
    // A decision that waits for the store has taken the point, whatever it will say.
    this.#isTaken = decision instanceof Promise || decision.isAllowed
    this.#decision = decision
    return decision
  }

  /** Whether it is not known yet if there is a point left. */
  get isPending(): boolean {
    return this.#decision instanceof Promise
  }

  /** Waits for the decision, for 50 ms at most. */
  async decide(): Promise<void> {
    this.#decision = await this.#decision
  }

  /** The time until there are points again. */
  get resetMs(): number {
    return this.#decision === undefined || this.#decision instanceof Promise ? 0 : this.#decision.resetMs
  }

  giveBack(): void {
    if (this.#isTaken && this.#identity !== undefined) this.#limit.giveBack(this.#identity)
    this.#isTaken = false
  }
}

type Limits = Readonly<{ rates: Pick<Rates, 'limit'>; metrics: Pick<Metrics, 'refusals'> }>

/**
 * Limits how many baskets each identity creates per hour; 0 means no limit. More are refused with `rate_limited`. Changes of existing
 * baskets are never refused, and cost nothing more: only a change that creates a basket takes a point. Near the limit, the decision
 * waits for the store of the limits, and the change is then called again. Requests without an identity, such as those that a trusted
 * proxy does not attribute to a client, are not limited.
 */
export const limitNewBaskets = (
  baskets: BasketRepository,
  perHour: number,
  { rates, metrics }: Limits,
): BasketRepository => {
  if (perHour === 0) return baskets
  const limit = rates.limit({ name: 'new_baskets', quota: perHour, windowSeconds: 3_600 })
  const refusalAfter = rateRefusals('new_baskets', tooManyNewBaskets, metrics)

  return {
    find: baskets.find,
    mayRemember: baskets.mayRemember,
    update: async (userId, change) => {
      const point = new Point(limit, requestContext.getStore())
      let isNew = false
      const changeAndTake: typeof change = (basket) => {
        // After a conflicting write, this is called again, and the basket may exist.
        isNew = false
        const changed = change(basket)
        isNew = basket === undefined && changed !== undefined
        if (isNew) point.take()
        return changed
      }
      const updateOnceDecided = async (error: unknown) => {
        if (error !== notTaken || !point.isPending) throw error
        await point.decide()
        // Also without a point: by now, another request may have created the basket.
        return baskets.update(userId, changeAndTake)
      }
      try {
        const stored = await baskets.update(userId, changeAndTake).catch(updateOnceDecided)
        if (!isNew) point.giveBack()
        return stored
      } catch (error) {
        if (!(isNew && mayBeStored(error))) point.giveBack()
        throw error === notTaken ? refusalAfter(point.resetMs) : error
      }
    },
  }
}
