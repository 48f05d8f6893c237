import type { AppError } from '@shop/kernel/errors.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Client } from '../../limits/client.ts'
import { identityOf } from '../../limits/rates/identity.ts'
import { Allowance } from '../../limits/rates/request-rate.ts'
import type { RequestKind, RequestRates } from '../../limits/rates/request-rates.ts'

type LimitedCall = {
  readonly method: Readonly<{ kind: RequestKind | undefined }>
  readonly principal: Principal
  readonly client: Client
  allowance: Allowance | undefined
  /** Ends the call with the error. */
  refuse: (error: unknown) => void
}

/**
 * Returns a function that takes a point for each message of a stream of requests but the first, which the call itself has paid. It
 * returns false if the message is not to be passed on, because the call was refused.
 */
export const messageLimit = (call: Pick<LimitedCall, 'allowance' | 'refuse'>): (() => boolean) => {
  let isFirst = true
  let isRefused = false
  const refuseIf = (refusal: AppError | undefined): void => {
    if (refusal === undefined || isRefused) return
    isRefused = true
    call.refuse(refusal)
  }
  return () => {
    const refusal = isFirst || isRefused ? undefined : call.allowance?.take(1)
    isFirst = false
    // A message may be passed on while the store is asked. The next one is not.
    if (refusal instanceof Promise) void refusal.then(refuseIf)
    else refuseIf(refusal)
    return !isRefused
  }
}

/** Takes a point from the limit of the caller. Resolves to false if the call was refused. */
export const limitCall = (rates: RequestRates, call: LimitedCall): boolean | Promise<boolean> => {
  const { kind } = call.method
  const rate = kind && rates[kind]
  const identity = rate && identityOf(call.principal, call.client)
  if (rate === undefined || identity === undefined) return true
  const accept = (refusal: AppError | undefined): boolean => {
    if (refusal !== undefined) call.refuse(refusal)
    return refusal === undefined
  }
  call.allowance = new Allowance(rate, { identity })
  const refusal = call.allowance.take(1)
  return refusal instanceof Promise ? refusal.then(accept) : accept(refusal)
}
