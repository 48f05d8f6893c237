import { withDeadline } from '../../resilience/deadline.ts'
import type { Entry } from './entries.ts'
import type { SharedUsage } from './policy.ts'

/** What waits longer than this is decided without the store. */
const decisionLimitMs = 50

/** What is used meanwhile is told to the store together. */
const maxDelayMs = 100

/** After a failure, the store is not asked for this long. */
const awayMs = 1_000

/** More are not sent at the same time: their entries wait for the next round. */
const maxInFlight = 500

const late = 'the store of the rate limits did not respond in time'

type Options = Readonly<{
  shared: SharedUsage
  /** From this many points on, an entry does not wait for the others. */
  batchPoints: number
  now: () => number
  onFailure: (error: unknown) => void
}>

/** The number of points that all processes have used before those of a batch; undefined if the store did not tell. */
type Base = number | undefined

/**
 * Tells the store what this process has used, and this process what all have used. Each entry has at most one command under way.
 * What is used meanwhile goes into the next one.
 */
export class Synchronizer {
  readonly #options: Options
  readonly #dirty = new Set<Entry>()
  readonly #running = new Set<Entry>()
  /** Those that wait for the command after the one that is under way. */
  readonly #next = new Map<Entry, PromiseWithResolvers<Base>>()
  #timer: NodeJS.Timeout | undefined
  #awayUntil = Number.NEGATIVE_INFINITY

  constructor(options: Options) {
    this.#options = options
  }

  isAway(now: number): boolean {
    return now < this.#awayUntil
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
      return await withDeadline(decisionLimitMs, late, this.#batch(entry))
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  #batch(entry: Entry): Promise<Base> {
    if (!this.#running.has(entry)) return this.#send(entry)
    const next = this.#next.get(entry) ?? Promise.withResolvers<Base>()
    this.#next.set(entry, next)
    return next.promise
  }

  #sendLater(entry: Entry): void {
    this.#dirty.add(entry)
    this.#timer ??= setTimeout(() => this.#sendDirty(), maxDelayMs).unref()
  }

  #sendDirty(): void {
    this.#timer = undefined
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    const now = this.#options.now()
    for (const entry of dirty) {
      // What was used in a window that has ended counts no more.
      if (entry.pending === 0 || entry.endsAt <= now) continue
      if (this.#running.has(entry)) this.#sendLater(entry)
      else void this.#send(entry)
    }
  }

  async #send(entry: Entry): Promise<Base> {
    const { shared, now } = this.#options
    if (this.#running.size >= maxInFlight || this.isAway(now())) {
      this.#sendLater(entry)
      return undefined
    }
    this.#running.add(entry)
    this.#dirty.delete(entry)
    const points = entry.pending
    entry.sent = points
    entry.pending = 0
    try {
      const usage = await shared.add(entry.identity, points)
      entry.sent = 0
      entry.accept(usage, now())
      return usage.used - points
    } catch (error) {
      // They may have been counted. Then they count twice until the window ends.
      entry.sent = 0
      entry.pending += points
      this.#fail(error)
      return undefined
    } finally {
      this.#running.delete(entry)
      this.#sendNext(entry)
    }
  }

  #sendNext(entry: Entry): void {
    const next = this.#next.get(entry)
    this.#next.delete(entry)
    if (next !== undefined) next.resolve(this.#send(entry))
    else if (entry.pending !== 0) this.soon(entry)
  }

  #fail(error: unknown): void {
    const { now, onFailure } = this.#options
    if (this.isAway(now())) return
    this.#awayUntil = now() + awayMs
    onFailure(error)
  }
}
