import type { Budget, Exceeded } from './budget.ts'
import type { Client } from './client.ts'

export type HoldingOwner = Readonly<{
  /** Whether the process waits for the client, and not the client for the process. */
  isWaiting: () => boolean
  /** Ends the wait: the client has lost its place to others. */
  evict: () => void
}>

/** Bytes that the process holds for a client, since the time of `performance.now()`. */
export type Holding = Readonly<{ client: Client; since: number; owner: HoldingOwner }> & { bytes: number }

type HoldingsOptions = Readonly<{
  /** A client may wait for this long without losing its place. */
  graceMs: number
  onEvict?: () => void
}>

/**
 * The bytes of a budget that wait for clients: for the rest of a body, or until a response is taken. Who fills the
 * budget and then does nothing keeps the others out only for the grace period: when the total is used up, those that
 * have waited longest lose their place. A client that has used up its own share only gets no more.
 */
export class Holdings {
  readonly #budget: Budget
  readonly #options: HoldingsOptions
  /** In the order in which they began. */
  readonly #waiting = new Set<Holding>()

  constructor(budget: Budget, options: HoldingsOptions) {
    this.#budget = budget
    this.#options = options
  }

  /** Holds the bytes, or returns why that is refused. What is held must be released. */
  hold(client: Client, bytes: number, owner: HoldingOwner): Holding | Exceeded {
    return this.#take(client, bytes) ?? this.#begin(client, bytes, owner)
  }

  /**
   * Holds bytes that cannot be refused. The longest waiting holdings of the client, or of all, lose their place to them,
   * without a grace period.
   */
  holdAnyway(client: Client, bytes: number, owner: HoldingOwner): Holding {
    const now = performance.now()
    const isOwn = (holding: Holding) => holding.client === client
    if (this.isShareUsed(client, bytes)) this.#evict(() => this.isShareUsed(client, bytes), now, isOwn)
    this.#evict(() => this.#isTotalUsed(bytes), now)
    this.#budget.takeAnyway(client, bytes)
    return this.#begin(client, bytes, owner)
  }

  /** A holding without bytes yet, for `grow`. */
  start(client: Client, owner: HoldingOwner): Holding {
    return this.#begin(client, 0, owner)
  }

  /** Adds bytes to the holding, or returns why that is refused. */
  grow(holding: Holding, bytes: number): Exceeded | undefined {
    const exceeded = this.#take(holding.client, bytes, holding)
    if (exceeded === undefined) holding.bytes += bytes
    return exceeded
  }

  /** The client has done its part: the bytes remain held, and keep their place. */
  keep(holding: Holding): void {
    this.#waiting.delete(holding)
  }

  /** Gives the bytes back. Further calls do nothing. */
  release(holding: Holding): void {
    this.#waiting.delete(holding)
    this.#budget.giveBack(holding.client, holding.bytes)
    holding.bytes = 0
  }

  /** Whether the client's share has no room for this many more bytes. */
  isShareUsed(client: Client, bytes: number): boolean {
    return client !== undefined && this.#budget.usedBy(client) + bytes > this.#budget.share
  }

  #isTotalUsed(bytes: number): boolean {
    return this.#budget.used() + bytes > this.#budget.total
  }

  #begin(client: Client, bytes: number, owner: HoldingOwner): Holding {
    const holding = { client, bytes, since: performance.now(), owner }
    this.#waiting.add(holding)
    return holding
  }

  /** Takes the bytes. Makes room for them if the total is used up, but not at the cost of `own`. */
  #take(client: Client, bytes: number, own?: Holding): Exceeded | undefined {
    const exceeded = this.#budget.take(client, bytes)
    if (exceeded !== 'total') return exceeded
    const before = performance.now() - this.#options.graceMs
    this.#evict(
      () => this.#isTotalUsed(bytes),
      before,
      (holding) => holding !== own,
    )
    return this.#budget.take(client, bytes)
  }

  /** Evicts holdings that began before, the oldest first, until no more bytes are needed. */
  #evict(
    isNeeded: () => boolean,
    before: number,
    mayEvict: (holding: Holding) => boolean = () => true,
  ): void {
    for (const holding of this.#waiting) {
      if (holding.since > before || !isNeeded()) return
      if (holding.bytes === 0 || !mayEvict(holding) || !holding.owner.isWaiting()) continue
      this.release(holding)
      this.#options.onEvict?.()
      holding.owner.evict()
    }
  }
}
