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
