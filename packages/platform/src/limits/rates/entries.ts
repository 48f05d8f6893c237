import type { Usage } from './policy.ts'

/**
 * At most this many identities are remembered, in about 2 MB. Of more, those that have used least are forgotten: to be forgotten
 * himself, an attacker would need thousands of identities that have used more.
 */
const maxEntries = 10_000

/** What is known about the window of an identity. */
export class Entry {
  readonly identity: string
  /** What all processes have used, by the last answer of the shared store. */
  used = 0
  /** What this process has used, and is about to tell the store. */
  sent = 0
  /** What this process has used, and has not told the store. */
  pending = 0
  /** What this process has used in the window, and has not given back. */
  own = 0
  /** When the window ends, by `performance.now()`. */
  endsAt: number
  /** The limit of this process while the store is away. */
  ownLimit: number | undefined

  constructor(identity: string, endsAt: number) {
    this.identity = identity
    this.endsAt = endsAt
  }

  /** What all processes have used, as far as this process knows. */
  get total(): number {
    return this.used + this.unconfirmed
  }

  get unconfirmed(): number {
    return this.sent + this.pending
  }

  take(points: number): void {
    this.pending += points
    this.own += points
  }

  /** Gives back at most what was taken in this window: a request may end in a later one. */
  giveBack(points: number): void {
    const given = Math.min(points, this.own)
    this.pending -= given
    this.own -= given
  }

  begin(endsAt: number): void {
    this.used = 0
    this.own = 0
    // A command that is under way tells of the window that has ended.
    this.sent = 0
    this.pending = 0
    this.endsAt = endsAt
    this.ownLimit = undefined
  }

  /** Takes over what the store has answered. */
  accept({ used, resetMs }: Usage, now: number): void {
    this.used = used
    this.endsAt = now + resetMs
    this.ownLimit = undefined
  }
}

/** The entries of the identities that have used something in the last window. */
export class Entries {
  readonly #windowMs: number
  readonly #entries = new Map<string, Entry>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  get size(): number {
    return this.#entries.size
  }

  /** The entry, if its window has not ended. */
  find(identity: string, now: number): Entry | undefined {
    const entry = this.#entries.get(identity)
    return entry === undefined || entry.endsAt <= now ? undefined : entry
  }

  /** The entry, which begins a window if it has none. */
  use(identity: string, now: number): Entry {
    const known = this.#entries.get(identity)
    if (known !== undefined) {
      if (known.endsAt <= now) known.begin(now + this.#windowMs)
      return known
    }
    if (this.#entries.size >= maxEntries) this.#forget(now)
    const entry = new Entry(identity, now + this.#windowMs)
    this.#entries.set(identity, entry)
    return entry
  }

  /** Forgets the entries whose window has ended, and if that are less than half, those that have used least. */
  #forget(now: number): void {
    for (const [identity, { endsAt }] of this.#entries) if (endsAt <= now) this.#entries.delete(identity)
    if (this.#entries.size <= maxEntries / 2) return
    const totals = Float64Array.from(this.#entries.values(), ({ total }) => total).toSorted()
    const median = totals[Math.floor(totals.length / 2)] ?? 0
    for (const [identity, { total }] of this.#entries) {
      if (this.#entries.size <= maxEntries / 2) return
      if (total <= median) this.#entries.delete(identity)
    }
  }
}
