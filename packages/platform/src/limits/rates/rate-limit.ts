import { Entries, type Entry } from './entries.ts'
import type { RateDecision, RatePolicy, SharedUsage } from './policy.ts'
import { StoreState } from './store-state.ts'
import { Synchronizer } from './synchronizer.ts'

type Options = Readonly<{
  policy: RatePolicy
  /** The processes of this instance. Each has its part of the quota while nothing is shared. */
  processes: number
  /** What all processes of all instances have used. Without it, each process counts by itself. */
  shared?: SharedUsage | undefined
  /** Whether that store responds. While it does not, each process counts by itself. */
  store?: StoreState | undefined
  /** The time in milliseconds, by a clock that never steps. */
  now?: () => number
}>

/** With fewer points left, each decision waits for the store, and is exact. */
const marginOf = (quota: number): number => Math.ceil(quota / 10)

/** A process that has used more than this without an answer of the store waits for it. */
const unconfirmedOf = (quota: number): number => Math.floor(quota / 50)

/** A process tells the store what it has used in steps of this size. An identity that uses less costs no command at all. */
const batchOf = (quota: number): number => Math.max(1, Math.floor(quota / 100))

/**
 * Limits what each identity uses in a window of time. A window begins with its first use, and everything is available again when it
 * ends. A refused request counts, so that nothing may be left after it.
 *
 * Far from the limit, a decision is made by what this process knows. The store learns of an identity that has used 1 % of its quota
 * in this process, from then on within 100 ms. So it costs a request no turn and hardly ever a command. Near the limit, a decision
 * waits for the store for up to 50 ms. A process may therefore allow what it has not learned to be used up: at most 2 % of the
 * quota, and nothing of a quota below 50.
 */
export class RateLimit {
  readonly policy: RatePolicy
  readonly #processes: number
  readonly #now: () => number
  readonly #entries: Entries
  readonly #store: StoreState
  readonly #synchronizer: Synchronizer | undefined
  readonly #margin: number
  readonly #unconfirmed: number
  readonly #batchPoints: number

  constructor({
    policy,
    processes,
    shared,
    store = new StoreState(),
    now = () => performance.now(),
  }: Options) {
    this.policy = policy
    this.#processes = processes
    this.#now = now
    this.#entries = new Entries(policy.windowSeconds * 1_000)
    this.#margin = marginOf(policy.quota)
    this.#unconfirmed = unconfirmedOf(policy.quota)
    this.#batchPoints = batchOf(policy.quota)
    this.#store = store
    this.#synchronizer = shared && new Synchronizer({ shared, store, batchPoints: this.#batchPoints, now })
  }

  /** The quota of this process: all of it, or its part while nothing is shared. */
  get quota(): number {
    return this.#isShared ? this.policy.quota : this.#partOf(this.policy.quota)
  }

  /** Takes points, a whole number. Returns no promise where the decision needs no answer of the store. */
  take(identity: string, points = 1): RateDecision | Promise<RateDecision> {
    const now = this.#now()
    const entry = this.#entries.use(identity, now)
    const isShared = this.#isShared
    const limit = this.#limitOf(entry)
    // What is used up by the last answer of the store, less what this process has given back since.
    const used = entry.used + Math.min(0, entry.unconfirmed)
    if (used >= limit || (!isShared && entry.total >= limit)) return this.#decision(entry, false, now)
    entry.take(points)
    const { total } = entry
    if (!isShared) return this.#decision(entry, total <= limit, now)
    if (total > limit - this.#margin || entry.unconfirmed > this.#unconfirmed)
      return this.#takeExactly(entry, total)
    if (total >= this.#batchPoints) this.#synchronizer?.soon(entry)
    return this.#decision(entry, true, now)
  }

  /** Gives back points, of those that this process has taken in the current window. */
  giveBack(identity: string, points = 1): void {
    const entry = this.#entries.find(identity, this.#now())
    if (entry === undefined) return
    entry.giveBack(points)
    // What the store does not know of, it need not learn of.
    if (entry.used > 0) this.#synchronizer?.soon(entry)
  }

  /** What is left, as far as this process knows, without taking anything. */
  peek(identity: string): RateDecision {
    const now = this.#now()
    const entry = this.#entries.find(identity, now)
    if (entry !== undefined) return this.#decision(entry, entry.total < this.#limitOf(entry), now)
    return { isAllowed: true, remaining: this.quota, resetMs: this.policy.windowSeconds * 1_000 }
  }

  [Symbol.dispose](): void {
    this.#synchronizer?.[Symbol.dispose]()
  }

  /** `total` is what was used with these points, as far as this process knew. */
  async #takeExactly(entry: Entry, total: number): Promise<RateDecision> {
    // Its position among the points of its batch: those before it are allowed first.
    const position = entry.pending
    const base = await this.#synchronizer?.now(entry)
    const used = base === undefined ? Math.max(total, entry.used + position) : base + position
    return this.#decision(entry, used <= this.#limitOf(entry), this.#now())
  }

  get #isShared(): boolean {
    return this.#synchronizer !== undefined && !this.#store.isAway
  }

  #partOf(points: number): number {
    return Math.ceil(points / this.#processes)
  }

  #limitOf(entry: Entry): number {
    const { quota } = this.policy
    if (this.#isShared) return quota
    // Of what was left when the store went away, this process has its part.
    entry.ownLimit ??= entry.used + this.#partOf(Math.max(0, quota - entry.used))
    return entry.ownLimit
  }

  #decision(entry: Entry, isAllowed: boolean, now: number): RateDecision {
    const remaining = Math.max(0, this.#limitOf(entry) - entry.total)
    // Not above the window: the sum that was rounded to `endsAt` may be, and 60.000000000001 s would be told as 61.
    const resetMs = Math.min(this.policy.windowSeconds * 1_000, Math.max(0, entry.endsAt - now))
    return { isAllowed, remaining, resetMs }
  }
}
