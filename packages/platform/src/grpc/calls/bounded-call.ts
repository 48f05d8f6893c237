import { type Metadata, type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import type { AppError } from '@shop/kernel/errors.ts'
import { anonymous, type Principal, unrestricted } from '@shop/kernel/principal.ts'
import type { Client } from '../../limits/client.ts'
import type { Allowance } from '../../limits/rates/request-rate.ts'
import { requestContext, requestIdFrom, requestIdHeader } from '../../request-context.ts'
import { metadataRefusal } from '../edge/metadata-size.ts'
import { removeIds } from '../ids/untrusted-ids.ts'
import { publicErrorOf } from '../public-error.ts'
import type { CallServer, Method } from './call-server.ts'
import { CallStream } from './call-stream.ts'
import { identifyCall } from './credentials.ts'
import { streamOf } from './http2-stream.ts'
import { limitCall } from './limit-calls.ts'
import { clientOf, type Peer } from './peers.ts'

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
export class BoundedCall {
  readonly started = performance.now()
  readonly method: Method
  readonly stream: CallStream
  client: Client
  metadata: Metadata | undefined
  principal: Principal
  /** What the call may use of the limit of its caller; undefined if that is not limited. */
  allowance: Allowance | undefined
  /** Whether `serveCalls` records the call, and counts its response. */
  isServed = false
  /** Whether its response is on the way. */
  hasSucceeded = false
  readonly #server: CallServer
  readonly #call: ServerInterceptingCallInterface
  readonly #peer: Peer
  #isRecorded = false
  #requestId: string | undefined

  constructor(server: CallServer, method: Method, call: ServerInterceptingCallInterface) {
    this.#server = server
    this.method = method
    this.#call = call
    const stream = streamOf(call)
    this.stream = new CallStream(server, stream)
    this.#peer = server.peerOf(call.getConnectionInfo().remoteAddress, stream.session)
    this.client = this.#peer.client
    this.principal = server.identify === undefined ? unrestricted : anonymous
  }

  get isHealthCheck(): boolean {
    return this.method.isHealthCheck
  }

  get endAt(): number {
    return this.stream.endAt
  }

  /** The id that a trusted peer sent, or a new one. */
  get requestId(): string {
    this.#requestId ??= requestIdFrom(this.metadata?.get(requestIdHeader)[0])
    return this.#requestId
  }

  /** Begins the call, before any of its messages is read. Returns false if it was refused. */
  begin(metadata: Metadata): boolean {
    const { open, limits } = this.#server
    this.metadata = metadata
    const entries = metadata.toJSON()
    if (!this.#peer.isTrusted) removeIds(metadata, entries)
    this.client = clientOf(this.#peer, metadata, limits.findClient)
    this.stream.onceClosed(() => {
      open.remove(this)
      this.#record(status.CANCELLED)
    })
    const error = metadataRefusal(entries, this.#call.getHost()) ?? open.add(this)
    if (error !== undefined) {
      open.addRefused(this)
      this.refuse(error)
      return false
    }
    metadata.setOpaque(key, this)
    this.stream.begin()
    return true
  }

  /** Finds the caller, and takes from its limit. Resolves to false if the call was refused. */
  admit(metadata: Metadata): boolean | Promise<boolean> {
    const { identify, rates } = this.#server
    const isKnown = identify === undefined || this.method.isOpen || identifyCall(identify, metadata, this)
    if (rates === undefined) return isKnown
    if (isKnown instanceof Promise) return isKnown.then((known) => known && limitCall(rates, this))
    return isKnown && limitCall(rates, this)
  }

  /** From now on, `serveCalls` records the call, and counts its response. */
  takeOver(): void {
    this.#isRecorded = true
    this.isServed = true
  }

  /** Counts a response that is about to be sent, or returns the error to send instead. */
  hold(bytes: number): AppError | undefined {
    return this.stream.hold(this.client, bytes)
  }

  /** Ends the call with an error, before its handler is called. */
  refuse(error: unknown): void {
    const { name, service } = this.method
    const sent = publicErrorOf(error, { service, requestId: this.requestId })
    const isFault = sent.code === status.UNAVAILABLE || sent.code === status.INTERNAL
    this.#record(sent.code, isFault ? this.#server.failures.record(error, { rpc: name }) : undefined)
    this.#call.sendStatus(sent)
  }

  onStatus(code: status): void {
    if (this.stream.isClosed) return
    this.#record(code)
    this.stream.onStatus()
  }

  endOverdue(): void {
    if (this.stream.isArriving)
      this.#call.sendStatus({
        code: status.DEADLINE_EXCEEDED,
        details: `the request did not arrive within ${this.#server.times.requestMs / 1000} s`,
      })
    else this.stream.resetOverdue()
  }

  evict(): void {
    this.stream.evict()
  }

  #record(code: status, cause?: string): void {
    if (this.#isRecorded) return
    this.#isRecorded = true
    requestContext.run({ requestId: this.requestId }, () => this.method.record(this, code, cause))
  }
}
