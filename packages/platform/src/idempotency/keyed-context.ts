import type { Allowance, Context } from '@shop/kernel/context.ts'
import type { Idempotency } from '@shop/kernel/idempotency.ts'
import type { Principal } from '@shop/kernel/principal.ts'

/** The context of a request with an idempotency key. Like that of others, a copy of it has everything but the signal. */
export class KeyedContext implements Context {
  readonly requestId: string
  readonly principal: Principal
  readonly client: string | undefined
  readonly allowance: Allowance | undefined
  readonly idempotency: Idempotency
  readonly #context: Context

  constructor(context: Context, idempotency: Idempotency) {
    this.requestId = context.requestId
    this.principal = context.principal
    this.client = context.client
    this.allowance = context.allowance
    this.idempotency = idempotency
    this.#context = context
  }

  get signal(): AbortSignal | undefined {
    return this.#context.signal
  }
}
