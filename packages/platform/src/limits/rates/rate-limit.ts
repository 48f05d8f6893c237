import { Entries, type Entry } from './entries.ts'
import type { RateDecision, RatePolicy, SharedUsage } from './policy.ts'
import { Synchronizer } from './synchronizer.ts'

type Options = Readonly<{
  policy: RatePolicy
  /** The processes of this instance. Each has its part of the quota while nothing is shared. */
  processes: number
  /** What all processes of all instances have used. Without it, each process counts by itself. */
  shared?: SharedUsage | undefined
  /** Called when the store does not respond; then each process counts by itself for a second. */
  onFailure?: (error: unknown) => void
  /** The time in milliseconds, by a clock that never steps. */
  now?: () => number
}>

/** With fewer points left, each decision waits for the store, and is exact. */
const marginOf = (quota: number): number => Math.ceil(quota / 10)

/** A process that has used more than this without an answer of the store waits for it. */
const unconfirmedOf = (quota: number): number => Math.floor(quota / 50)

/**
 * Limits what each identity uses in a window of time. A window begins with its first use, and everything is available again when it
 * ends. A refused request counts, so that nothing may be left after it.
 *
 * Far from the limit, a decision is made by what this process knows, and the store learns of it within 100 ms. So it costs a request
 * no turn and hardly a command. Near the limit, it waits for the store for up to 50 ms. A process may therefore allow what it has not
 * learned to be used up: at most 2 % of the quota, and nothing of a quota below 50.
 */
export class RateLimit {
  readonly policy: RatePolicy
  readonly #processes: number
  readonly #now: () => number
  readonly #entries: Entries
  readonly #synchronizer: Synchronizer | undefined
  readonly #margin: number
  readonly #unconfirmed: number

  constructor({ policy, processes, shared, onFailure = () => {}, now = () => performance.now() }: Options) {
    this.policy = policy
    this.#processes = processes
    this.#now = now
    this.#entries = new Entries(policy.windowSeconds * 1_000)
    this.#margin = marginOf(policy.quota)
    this.#unconfirmed = unconfirmedOf(policy.quota)
    const batchPoints = Math.max(1, Math.floor(policy.quota / 100))
    this.#synchronizer = shared && new Synchronizer({ shared, batchPoints, now, onFailure })
  }

  /** The quota of this process: all of it, or its part while nothing is shared. */
  get quota(): number {
    return this.#isShared(this.#now()) ? this.policy.quota : this.#partOf(this.policy.quota)
  }

  /** Takes points, a whole number. Returns no promise where the decision needs no answer of the store. */
  take(identity: string, points = 1): RateDecision | Promise<RateDecision> {
    const now = this.#now()
    const entry = this.#entries.use(identity, now)
    const limit = this.#limitOf(entry, now)
    if (entry.used >= limit) return this.#decision(entry, false, now)
    if (!this.#isShared(now) && entry.total >= limit) return this.#decision(entry, false, now)
    entry.pending += points
    if (!this.#isShared(now)) return this.#decision(entry, entry.total <= limit, now)
    const isNear = entry.total > limit - this.#margin || entry.unconfirmed > this.#unconfirmed
    if (isNear) return this.#takeExactly(entry)
    this.#synchronizer?.soon(entry)
    return this.#decision(entry, true, now)
  }

  /** Gives back points that were taken in the current window. */
  giveBack(identity: string, points = 1): void {
    const entry = this.#entries.find(identity, this.#now())
    if (entry === undefined) return
    entry.pending -= points
    this.#synchronizer?.soon(entry)
  }

  /** What is left, as far as this process knows, without taking anything. */
  peek(identity: string): RateDecision {
    const now = this.#now()
    const entry = this.#entries.find(identity, now)
    if (entry !== undefined) return this.#decision(entry, entry.total < this.#limitOf(entry, now), now)
    return { isAllowed: true, remaining: this.quota, resetMs: this.policy.windowSeconds * 1_000 }
  }

  async #takeExactly(entry: Entry): Promise<RateDecision> {
    // Its position among the points of its batch: those before it are allowed first.
    const position = entry.pending
    const base = await this.#synchronizer?.now(entry)
    const now = this.#now()
    const used = base === undefined ? entry.total : base + position
    return this.#decision(entry, used <= this.#limitOf(entry, now), now)
  }

  #isShared(now: number): boolean {
    return this.#synchronizer !== undefined && !this.#synchronizer.isAway(now)
  }

  #partOf(points: number): number {
    return Math.ceil(points / this.#processes)
  }

  #limitOf(entry: Entry, now: number): number {
    const { quota } = this.policy
    if (this.#isShared(now)) return quota
    // Of what was left when the store went away, this process has its part.
    entry.ownLimit ??= entry.used + this.#partOf(Math.max(0, quota - entry.used))
    return entry.ownLimit
  }

  #decision(entry: Entry, isAllowed: boolean, now: number): RateDecision {
    const remaining = Math.max(0, this.#limitOf(entry, now) - entry.total)
    return { isAllowed, remaining, resetMs: Math.max(0, entry.endsAt - now) }
  }
}
