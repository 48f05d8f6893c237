import { AsyncLocalStorage } from 'node:async_hooks'
import { causeOf } from '../../failure.ts'
import { withDeadline } from '../../resilience/deadline.ts'

/** What waits longer than this for the store is decided without it. */
export const decisionLimitMs = 50

export const lateMessage = 'the store of the rate limits did not respond in time'

/** While the store is away, it is asked this often whether it is back. */
const askAgainMs = 1_000

/** A reason that changes in an outage is told when the last one was this long ago: one answer that is late is no news. */
const newsMs = 10_000

/** Of a store that comes and goes each second, watchers hear this many times at once, and then once in `newsMs`. */
const maxTold = 5

type Watchers = Readonly<{
  /** Called when the store goes away, and again when the reason changes. */
  onAway?: (error: unknown) => void
  /** Called when the store is back, if `onAway` was called for this outage. */
  onReturn?: () => void
  /** The time in milliseconds, by a clock that never steps. */
  now?: () => number
}>

/**
 * Whether the store responds in time. All limits of a process share it. While the store is away, no request waits for it: it is asked
 * beside them until it responds in time again.
 */
export class StoreState {
  readonly #watchers: Watchers
  readonly #now: () => number
  /** The timer starts in a request, whose context must not be kept, nor be that of later log lines. */
  readonly #inBackground = AsyncLocalStorage.snapshot()
  #isAway = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  /** The last reason that watchers have heard of in this outage. */
  #toldReason: string | undefined
  #toldAt = -Infinity
  /** When as much is told as once in `newsMs` would have been. */
  #toldUntil = -Infinity

  constructor(watchers: Watchers = {}) {
    this.#watchers = watchers
    this.#now = watchers.now ?? (() => performance.now())
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** To be called when the store fails. `ask` rejects for as long as it does. */
  fail(error: unknown, ask: () => Promise<unknown>): void {
    if (this.#isAway || this.#isClosed) return
    this.#isAway = true
    this.#tell(error)
    this.#inBackground(() => this.#askLater(ask))
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** An outage may begin as a lost connection, and stay because the user lacks a right: the operator needs the second reason. */
  #tell(error: unknown): void {
    const reason = causeOf(error)
    const now = this.#now()
    if (reason === this.#toldReason || this.#toldUntil > now + (maxTold - 1) * newsMs) return
    if (this.#toldReason !== undefined && now < this.#toldAt + newsMs) return
    this.#toldReason = reason
    this.#toldAt = now
    this.#toldUntil = Math.max(this.#toldUntil, now) + newsMs
    this.#watchers.onAway?.(error)
  }

  #askLater(ask: () => Promise<unknown>): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#ask(ask), askAgainMs).unref()
  }

  async #ask(ask: () => Promise<unknown>): Promise<void> {
    try {
      await withDeadline(decisionLimitMs, lateMessage, ask())
    } catch (error) {
      if (!this.#isClosed) this.#tell(error)
      return this.#askLater(ask)
    }
    if (this.#isClosed) return
    this.#isAway = false
    if (this.#toldReason !== undefined) this.#watchers.onReturn?.()
    this.#toldReason = undefined
  }
}
