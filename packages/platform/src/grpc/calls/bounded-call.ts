import { constants } from 'node:http2'
import { type Metadata, type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import type { AppError } from '@shop/kernel/errors.ts'
import type { Client } from '../../limits/client.ts'
import type { UnreadResponse } from '../../limits/unread-responses.ts'
import { requestContext, requestIdFrom, requestIdHeader } from '../../request-context.ts'
import { removeIds } from '../ids/untrusted-ids.ts'
import { publicErrorOf } from '../public-error.ts'
import type { CallServer, Method } from './call-server.ts'
import { streamOf } from './http2-stream.ts'
import { metadataRefusal } from './metadata-size.ts'
import { clientOf } from './peers.ts'

const key = 'shop-call'

/** Returns the call that the metadata came with. */
export const callOf = (metadata: Metadata): BoundedCall => {
  const call = metadata.getOpaque(key)
  if (call instanceof BoundedCall) return call
  throw new Error('the metadata is not that of a call')
}

/**
 * A call of any method, also of health and reflection, from its start until its stream is closed. It uses the limits of its
 * client, and is recorded once.
 */
export class BoundedCall implements UnreadResponse {
  readonly started = performance.now()
  readonly method: Method
  client: Client
  metadata: Metadata | undefined
  unreadBytes = 0
  unreadSince = 0
  endAt = Number.POSITIVE_INFINITY
  isServed = false
  readonly #server: CallServer
  readonly #call: ServerInterceptingCallInterface
  readonly #stream
  readonly #peer
  #isArriving = true
  #isCut = false
  #isRecorded = false
  #requestId: string | undefined

  constructor(server: CallServer, method: Method, call: ServerInterceptingCallInterface) {
    this.#server = server
    this.method = method
    this.#call = call
    this.#stream = streamOf(call)
    this.#peer = server.peerOf(call.getConnectionInfo().remoteAddress, this.#stream.session)
    this.client = this.#peer.client
  }

  get isHealthCheck(): boolean {
    return this.method.isHealthCheck
  }

  /** The id that a trusted peer sent, or a new one. */
  get requestId(): string {
    this.#requestId ??= requestIdFrom(this.metadata?.get(requestIdHeader)[0])
    return this.#requestId
  }

  /** Begins the call, before any of its messages is read. Returns false if it was refused. */
  begin(metadata: Metadata): boolean {
    this.metadata = metadata
    if (!this.#peer.isTrusted) removeIds(metadata)
    this.client = clientOf(this.#peer, metadata, this.#server.limits.findClient)
    this.#stream.once('close', () => this.#onClose())
    const { open } = this.#server
    const tooLarge = metadataRefusal(metadata, this.#call.getHost())
    if (tooLarge !== undefined) open.addRefused(this)
    const error = tooLarge ?? open.add(this)
    if (error !== undefined) {
      this.refuse(error)
      return false
    }
    metadata.setOpaque(key, this)
    this.awaitRequest()
    return true
  }

  /** The next message of the request must arrive in time. */
  awaitRequest(): void {
    this.endAt = performance.now() + this.#server.times.requestMs
  }

  onRequestEnd(): void {
    this.#isArriving = false
    this.endAt = Number.POSITIVE_INFINITY
  }

  /** From now on, `serveCalls` records the call, and takes what the response needs. */
  takeOver(): void {
    this.#isRecorded = true
    this.isServed = true
  }

  #record(code: status, cause?: string): void {
    if (this.#isRecorded) return
    this.#isRecorded = true
    requestContext.run({ requestId: this.requestId }, () => this.method.record(this, code, cause))
  }

  /** Ends the call with an error that was created once. */
  refuse(error: AppError): void {
    const { name, service } = this.method
    const { requestId } = this
    const sent = publicErrorOf(error, { service, requestId })
    const isFault = sent.code === status.UNAVAILABLE
    const cause = isFault ? this.#server.failures.record(error, { rpc: name }) : undefined
    this.#record(sent.code, cause)
    this.#call.sendStatus(sent)
  }

  /** Counts the bytes of a message that is about to be sent, or returns the error to send instead. */
  takeResponse(bytes: number): AppError | undefined {
    // The stream has given everything back when it closed, and nothing is sent any more.
    if (this.#stream.closed || this.#stream.destroyed) return undefined
    const { limits } = this.#server
    const exceeded = limits.unreadResponses.take(this, bytes)
    return exceeded && limits.refuse('responseBytes', exceeded)
  }

  onFlush(bytes: number): void {
    this.#server.limits.unreadResponses.giveBack(this, bytes)
  }

  onStatus(code: status): void {
    if (this.#stream.closed) return
    this.#record(code)
    this.#isArriving = false
    this.endAt = performance.now() + this.#server.times.statusMs
  }

  /**
   * The status has been sent. The library leaves the stream open for a client that has not ended its request. It is not
   * reset at once: clients in Node.js lose the status if the reset arrives together with it.
   */
  onEnd(): void {
    if (!this.#stream.readableEnded) this.endAt = performance.now() + this.#server.times.lingerMs
  }

  endOverdue(): void {
    if (this.#isArriving)
      this.#call.sendStatus({
        code: status.DEADLINE_EXCEEDED,
        details: `the request did not arrive within ${this.#server.times.requestMs} ms`,
      })
    else this.cut()
  }

  /** Resets the stream. If not even that can be sent, its connection takes nothing, and is destroyed next. */
  cut(): void {
    this.endAt = performance.now() + this.#server.times.lingerMs
    if (this.#isCut) this.#stream.session?.destroy()
    else this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#isCut = true
  }

  #onClose(): void {
    this.#server.open.remove(this)
    this.#server.limits.unreadResponses.giveBackAll(this)
    this.#record(status.CANCELLED)
  }
}
