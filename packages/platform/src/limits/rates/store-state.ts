import { AsyncLocalStorage } from 'node:async_hooks'
import { withDeadline } from '../../resilience/deadline.ts'

/** What waits longer than this for the store is decided without it. */
export const decisionLimitMs = 50

export const lateMessage = 'the store of the rate limits did not respond in time'

/** While the store is away, it is asked this often whether it is back. */
const askAgainMs = 1_000

type Watchers = Readonly<{ onAway?: (error: unknown) => void; onReturn?: () => void }>

/**
 * Whether the store responds in time. All limits of a process share it. While the store is away, no request waits for it: it is asked
 * beside them until it responds in time again.
 */
export class StoreState {
  readonly #watchers: Watchers
  /** The timer starts in a request, whose context must not be kept, nor be that of later log lines. */
  readonly #inBackground = AsyncLocalStorage.snapshot()
  #isAway = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(watchers: Watchers = {}) {
    this.#watchers = watchers
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** To be called when the store fails. `ask` rejects for as long as it does. */
  fail(error: unknown, ask: () => Promise<unknown>): void {
    if (this.#isAway || this.#isClosed) return
    this.#isAway = true
    this.#watchers.onAway?.(error)
    this.#inBackground(() => this.#askLater(ask))
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #askLater(ask: () => Promise<unknown>): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#ask(ask), askAgainMs).unref()
  }

  async #ask(ask: () => Promise<unknown>): Promise<void> {
    try {
      await withDeadline(decisionLimitMs, lateMessage, ask())
    } catch {
      return this.#askLater(ask)
    }
    if (this.#isClosed) return
    this.#isAway = false
    this.#watchers.onReturn?.()
  }
}
