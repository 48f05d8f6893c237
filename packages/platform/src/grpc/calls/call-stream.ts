import { constants, type ServerHttp2Stream } from 'node:http2'
import type { AppError } from '@shop/kernel/errors.ts'
import type { Client } from '../../limits/client.ts'
import type { Holding, HoldingOwner } from '../../limits/holdings.ts'
import type { CallServer } from './call-server.ts'

/**
 * Messages up to this size are always sent, and not counted: `limits.calls` bounds their number. Responses to writes must be
 * smaller, because their caller has to learn what was written.
 */
const alwaysSentBytes = 32 * 1024

/**
 * A message may arrive in this many pieces: 64 KiB in packets of 576 bytes are 122. Each piece takes 136 bytes beside its
 * content, so that messages in pieces of one byte took 550 MB for 4 MB, measured.
 */
const maxPieces = 256

/**
 * The HTTP/2 stream of a call. Its client has limited time to send the request and to take the response, and the memory of
 * a response that waits for it is counted.
 */
export class CallStream implements HoldingOwner {
  /** When to end the call, by `performance.now()`. */
  endAt = Number.POSITIVE_INFINITY
  /** Whether a message waits for the client. */
  isUnread = false
  readonly #server: CallServer
  readonly #stream: ServerHttp2Stream
  #state: 'arriving' | 'running' | 'ended' | 'reset' = 'arriving'
  #holding: Holding | undefined
  #pieces = 0

  constructor(server: CallServer, stream: ServerHttp2Stream) {
    this.#server = server
    this.#stream = stream
  }

  get isClosed(): boolean {
    return this.#stream.closed || this.#stream.destroyed
  }

  get isArriving(): boolean {
    return this.#state === 'arriving' && !this.isUnread
  }

  onceClosed(listener: () => void): void {
    this.#stream.once('close', () => {
      this.#release()
      listener()
    })
  }

  begin(): void {
    this.#stream.on('data', () => {
      this.#pieces += 1
      if (this.#pieces === maxPieces) this.evict()
    })
    this.awaitRequest()
  }

  /** The next message of the request must arrive in time, and in large enough pieces. */
  awaitRequest(): void {
    this.#pieces = 0
    this.endAt = performance.now() + this.#server.times.requestMs
  }

  onRequestEnd(): void {
    if (this.#state !== 'arriving') return
    this.#state = 'running'
    this.endAt = Number.POSITIVE_INFINITY
  }

  /** Counts the bytes of a message that is about to be sent, or returns the error to send instead. */
  hold(client: Client, bytes: number): AppError | undefined {
    // A closed stream has released everything, and sends nothing any more.
    if (bytes <= alwaysSentBytes || this.isClosed) return undefined
    const { responses, refuse } = this.#server.limits
    const held = responses.hold(client, bytes, this)
    if (typeof held === 'string') return refuse('responseBytes', held)
    this.#holding = held
    return undefined
  }

  onMessage(): void {
    this.isUnread = true
    this.endAt = performance.now() + this.#server.times.responseMs
  }

  /** The client has taken the message. */
  onFlush(): void {
    this.isUnread = false
    this.#release()
    if (this.#state === 'running') this.endAt = Number.POSITIVE_INFINITY
    if (this.#state === 'arriving') this.awaitRequest()
  }

  onStatus(): void {
    this.#end('ended', this.#server.times.responseMs)
  }

  /**
   * The status has been sent. The library leaves the stream open for a client that has not ended its request. It is not
   * reset at once: clients in Node.js lose the status if the reset arrives together with it.
   */
  onStatusSent(): void {
    if (!this.#stream.readableEnded) this.#end('ended', this.#server.times.lingerMs)
  }

  isWaiting(): boolean {
    return this.#stream.writableLength > 0
  }

  /** Ends a call that takes too long. */
  resetOverdue(): void {
    if (this.isUnread && this.#state !== 'reset') this.#server.metrics.responsesCut.inc({ reason: 'stalled' })
    this.evict()
  }

  /** Resets the stream. If not even that can be sent, its connection takes nothing, and is destroyed next. */
  evict(): void {
    if (this.#state === 'reset') this.#stream.session?.destroy()
    else this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#end('reset', this.#server.times.lingerMs)
  }

  #end(state: 'ended' | 'reset', ms: number): void {
    if (this.#state !== 'reset') this.#state = state
    this.endAt = performance.now() + ms
  }

  #release(): void {
    if (this.#holding !== undefined) this.#server.limits.responses.release(this.#holding)
    this.#holding = undefined
  }
}
