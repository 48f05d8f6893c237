import type { Allowance, Context } from '@shop/kernel/context.ts'
import type { Idempotency } from '@shop/kernel/idempotency.ts'
import type { Principal } from '@shop/kernel/principal.ts'

/** The context of a request with an idempotency key. */
export class KeyedContext implements Context {
  readonly idempotency: Idempotency
  readonly #context: Context

  constructor(context: Context, idempotency: Idempotency) {
    this.#context = context
    this.idempotency = idempotency
  }

  get requestId(): string {
    return this.#context.requestId
  }

  get principal(): Principal {
    return this.#context.principal
  }

  get client(): string | undefined {
    return this.#context.client
  }

  get allowance(): Allowance | undefined {
    return this.#context.allowance
  }

  get signal(): AbortSignal | undefined {
    return this.#context.signal
  }
}
