import type { Allowance as UseCaseAllowance } from '@shop/kernel/context.ts'
import type { AppError } from '@shop/kernel/errors.ts'
import type { RateDecision } from './policy.ts'
import type { Told, ToldLimit } from './told-limit.ts'

/** The limits of one kind of requests. */
export class RequestRate {
  readonly own: ToldLimit
  /** What all guests of one address may use together. */
  readonly ofGuests: ToldLimit

  constructor(own: ToldLimit, ofGuests: ToldLimit) {
    this.own = own
    this.ofGuests = ofGuests
  }
}

/**
 * What one request may use of the limit of its identity. `address` is that of a guest. It lives as long as the context of the request,
 * so it must not refer to the request or response: timers of what a request has asked for keep its context.
 */
export class Allowance implements UseCaseAllowance {
  readonly #rate: RequestRate
  readonly #identity: string
  readonly #address: string | undefined
  /** The last decision. */
  told: Told | undefined

  constructor(
    rate: RequestRate,
    { identity, address }: Readonly<{ identity: string; address?: string | undefined }>,
  ) {
    this.#rate = rate
    this.#identity = identity
    this.#address = address
  }

  /** Returns the error for the caller if the limit is exceeded: a promise if the store must be asked. */
  take(points: number): AppError | undefined | Promise<AppError | undefined> {
    const decision = this.#rate.own.take(this.#identity, points)
    return decision instanceof Promise
      ? decision.then((decided) => this.#accept(decided, points))
      : this.#accept(decision, points)
  }

  /** A request that its own limit refuses takes nothing from that of the other guests. */
  #accept(decision: RateDecision, points: number): AppError | undefined | Promise<AppError | undefined> {
    const { own, ofGuests } = this.#rate
    const told = own.tell(decision)
    if (this.#address === undefined || !decision.isAllowed) return this.#tell(told)
    const ofAll = ofGuests.take(this.#address, points)
    const accept = (decided: RateDecision) => this.#tell(decided.isAllowed ? told : ofGuests.tell(decided))
    return ofAll instanceof Promise ? ofAll.then(accept) : accept(ofAll)
  }

  #tell(told: Told): AppError | undefined {
    this.told = told
    return told.refusal
  }
}
