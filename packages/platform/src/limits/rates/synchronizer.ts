import { AsyncLocalStorage } from 'node:async_hooks'
import { withDeadline } from '../../resilience/deadline.ts'
import type { Entry } from './entries.ts'
import type { SharedUsage } from './policy.ts'
import { decisionLimitMs, lateMessage, type StoreState } from './store-state.ts'

/** What is used meanwhile is told to the store together. */
const maxDelayMs = 100

/** More are not sent at the same time: their entries wait for the next round. */
const maxInFlight = 500

/** More do not wait: they are told to the store when they are used again. */
const maxWaiting = 10_000

type Options = Readonly<{
  shared: SharedUsage
  store: StoreState
  /** From this many points on, an entry does not wait for the others. */
  batchPoints: number
  now: () => number
}>

/** The number of points that all processes have used before those of a batch; undefined if the store did not tell. */
type Base = number | undefined

/**
 * Tells the store what this process has used, and this process what all have used. Each entry has at most one command under way.
 * What is used meanwhile goes into the next one.
 */
export class Synchronizer {
  readonly #options: Options
  readonly #waiting = new Set<Entry>()
  readonly #running = new Set<Entry>()
  /** Those that wait for the command after the one that is under way. */
  readonly #next = new Map<Entry, PromiseWithResolvers<Base>>()
  /** The timer starts in a request, whose context is not that of the others. */
  readonly #inBackground = AsyncLocalStorage.snapshot()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: Options) {
    this.#options = options
  }

  /** Tells the store soon. */
  soon(entry: Entry): void {
    if (entry.pending >= this.#options.batchPoints && !this.#running.has(entry)) void this.#send(entry)
    else this.#sendLater(entry)
  }

  /**
   * Tells the store now. Resolves with what all processes had used before the points that were pending, or with undefined if the
   * store does not respond in time.
   */
  async now(entry: Entry): Promise<Base> {
    try {
      return await withDeadline(decisionLimitMs, lateMessage, this.#batch(entry))
    } catch (error) {
      this.#fail(error, entry)
      return undefined
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#waiting.clear()
  }

  #batch(entry: Entry): Promise<Base> {
    if (!this.#running.has(entry)) return this.#send(entry)
    const next = this.#next.get(entry) ?? Promise.withResolvers<Base>()
    this.#next.set(entry, next)
    return next.promise
  }

  #sendLater(entry: Entry): void {
    if (this.#waiting.size >= maxWaiting || this.#isClosed) return
    this.#waiting.add(entry)
    if (this.#timer !== undefined) return
    this.#inBackground(() => {
      this.#timer = setTimeout(() => this.#sendWaiting(), maxDelayMs).unref()
    })
  }

  #sendWaiting(): void {
    this.#timer = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const now = this.#options.now()
    for (const entry of waiting) {
      // What was used in a window that has ended counts no more.
      if (entry.pending === 0 || entry.endsAt <= now) continue
      if (this.#running.has(entry)) this.#sendLater(entry)
      else void this.#send(entry)
    }
  }

  async #send(entry: Entry): Promise<Base> {
    const { shared, store, now } = this.#options
    // While the store is away, entries keep their points until they are used again.
    if (store.isAway || this.#isClosed) return undefined
    if (this.#running.size >= maxInFlight) {
      this.#sendLater(entry)
      return undefined
    }
    this.#running.add(entry)
    this.#waiting.delete(entry)
    const points = entry.pending
    entry.sent = points
    entry.pending = 0
    try {
      const usage = await shared.add(entry.identity, points)
      entry.sent = 0
      entry.accept(usage, now())
      return usage.used - points
    } catch (error) {
      // They may have been counted. Then they count twice until the window ends. Of a window that has ended, none is left.
      entry.pending += entry.sent
      entry.sent = 0
      this.#fail(error, entry)
      return undefined
    } finally {
      this.#running.delete(entry)
      this.#sendNext(entry)
    }
  }

  /** In the background: the context of the first request must neither be kept for as long as others follow, nor be theirs. */
  #sendNext(entry: Entry): void {
    const next = this.#next.get(entry)
    this.#next.delete(entry)
    if (next !== undefined) this.#inBackground(() => next.resolve(this.#send(entry)))
    else if (entry.pending !== 0) this.#inBackground(() => this.soon(entry))
  }

  #fail(error: unknown, { identity }: Entry): void {
    const { shared, store } = this.#options
    // In a cluster, the key of another identity may be on a server that responds.
    store.fail(error, () => shared.add(identity, 0))
  }
}
