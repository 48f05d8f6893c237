import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js'
import type { BoundedCall } from './bounded-call.ts'

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0]

/** Tells the call what arrives, before the library's own listener. */
export class CallListener implements Listener {
  readonly #call: BoundedCall
  readonly #next: Listener

  constructor(call: BoundedCall, next: Listener) {
    this.#call = call
    this.#next = next
  }

  onReceiveMetadata(metadata: Metadata): void {
    if (this.#call.begin(metadata)) this.#next.onReceiveMetadata(metadata)
  }

  onReceiveMessage(message: unknown): void {
    if (this.#call.method.hasRequestStream) this.#call.stream.awaitRequest()
    this.#next.onReceiveMessage(message)
  }

  onReceiveHalfClose(): void {
    this.#call.stream.onRequestEnd()
    this.#next.onReceiveHalfClose()
  }

  onCancel(): void {
    this.#next.onCancel()
    this.#call.stream.onStatusSent()
  }
}
