import type { Metadata } from '@grpc/grpc-js'
import type { Allowance, Context } from '@shop/kernel/context.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { RequestContext } from '../../request-context.ts'
import { callerGoneError } from '../../transports.ts'
import { joinedIdsIn } from '../ids/joined-ids.ts'
import type { BoundedCall } from './bounded-call.ts'

type Received = Readonly<
  Pick<BoundedCall, 'requestId' | 'client' | 'principal' | 'allowance' | 'hasSucceeded'>
>
type Call = Readonly<{
  cancelled: boolean
  metadata: Metadata
  on: (event: 'cancelled', listener: () => void) => unknown
}>

/** What a use case receives from a call, which is also its request context. */
export class CallContext implements Context, RequestContext {
  readonly requestId: string
  readonly principal: Principal
  readonly client: string | undefined
  readonly allowance: Allowance | undefined
  readonly joinedIds: (() => readonly string[]) | undefined
  /** Whether an earlier call with the same idempotency key has done the write of this one. */
  isReplayed = false
  readonly #call: Call
  readonly #received: Received
  #signal: AbortSignal | undefined

  constructor(call: Call, received: Received) {
    this.requestId = received.requestId
    this.principal = received.principal
    this.client = received.client
    this.allowance = received.allowance
    const joinedIds = joinedIdsIn(call.metadata)
    this.joinedIds = joinedIds && (() => joinedIds)
    this.#call = call
    this.#received = received
  }

  /**
   * Aborts when the caller no longer waits: its deadline passed, it cancelled the call, or it disconnected. It is made when
   * it is first read, because most calls share their work, and then that of one of them is enough.
   */
  get signal(): AbortSignal {
    this.#signal ??= this.#createSignal()
    return this.#signal
  }

  #createSignal(): AbortSignal {
    const controller = new AbortController()
    const abort = (): void => {
      // The library also cancels a call that has succeeded, at its end. Nothing is left to stop then.
      if (!this.#received.hasSucceeded) controller.abort(callerGoneError)
    }
    if (this.#call.cancelled) abort()
    else this.#call.on('cancelled', abort)
    return controller.signal
  }
}
