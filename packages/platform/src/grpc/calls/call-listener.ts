import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js'
import type { BoundedCall } from './bounded-call.ts'
import { messageLimit } from './limit-calls.ts'

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]

/** Tells the call what arrives, before the library's own listener. */
export class CallListener implements Listener {
  readonly #call: BoundedCall
  readonly #next: Listener
  readonly #payForMessage: (() => boolean) | undefined
  #isCancelled = false

  constructor(call: BoundedCall, next: Listener) {
    this.#call = call
    this.#next = next
    this.#payForMessage = call.method.hasRequestStream ? messageLimit(call) : undefined
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (!this.#call.begin(metadata)) return
    const mayPass = this.#call.admit(metadata)
    // Nothing else of the call is read before its metadata has been passed on.
    if (mayPass instanceof Promise) void mayPass.then((may) => this.#passOn(metadata, may))
    else this.#passOn(metadata, mayPass)
  }

  onReceiveMessage(message: unknown): void {
    if (this.#payForMessage !== undefined) {
      this.#call.stream.awaitRequest()
      if (!this.#payForMessage()) return
    }
    this.#next.onReceiveMessage(message)
  }

  onReceiveHalfClose(): void {
    this.#call.stream.onRequestEnd()
    this.#next.onReceiveHalfClose()
  }

  #passOn(metadata: Metadata, mayPass: boolean): void {
    if (mayPass && !this.#isCancelled) this.#next.onReceiveMetadata(metadata)
  }

  onCancel(): void {
    this.#isCancelled = true
    this.#next.onCancel()
    this.#call.stream.onStatusSent()
  }
}
