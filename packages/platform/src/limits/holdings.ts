import type { Budget, Exceeded } from './budget.ts'
import type { Client } from './client.ts'

/** Bytes that the process holds for one request. */
export type Holding = Readonly<{ client: Client; since: number; owner: HoldingOwner }> & { bytes: number }

export type HoldingOwner = Readonly<{
  /** Whether the process waits for the client, and not the client for the process. */
  isWaiting: () => boolean
  /** Ends the wait: the client has lost its place to others. */
  evict: () => void
}>

/**
 * The bytes of a budget that wait for clients: for the rest of a body, or until a response is taken. Who fills the
 * budget and then does nothing keeps the others out only for the grace period: when the total is used up, those that
 * have waited longest lose their place. A client that has used up its own share only gets no more.
 */
export const createHoldings = (
  budget: Budget,
  { graceMs, onEvict }: Readonly<{ graceMs: number; onEvict: () => void }>,
) => {
  /** In the order in which they began. */
  const waiting = new Set<Holding>()

  /** Whether the client's share has no room for this many more bytes. */
  const isShareUsed = (client: Client, bytes: number): boolean =>
    client !== undefined && budget.usedBy(client) + bytes > budget.share

  const isTotalUsed = (bytes: number): boolean => budget.used() + bytes > budget.total

  const release = (holding: Holding): void => {
    waiting.delete(holding)
    budget.giveBack(holding.client, holding.bytes)
    holding.bytes = 0
  }

  /** Evicts holdings that began before, the oldest first, while `isShort`. */
  const evictWhile = (isShort: () => boolean, before: number, mayEvict: (holding: Holding) => boolean) => {
    for (const holding of waiting) {
      if (holding.since > before || !isShort()) return
      if (holding.bytes === 0 || !mayEvict(holding) || !holding.owner.isWaiting()) continue
      release(holding)
      onEvict()
      holding.owner.evict()
    }
  }

  const begin = (client: Client, bytes: number, owner: HoldingOwner): Holding => {
    const holding = { client, bytes, since: performance.now(), owner }
    waiting.add(holding)
    return holding
  }

  /** Takes the bytes. Makes room for them if the total is used up. */
  const take = (client: Client, bytes: number, own?: Holding): Exceeded | undefined => {
    const exceeded = budget.take(client, bytes)
    if (exceeded !== 'total') return exceeded
    evictWhile(
      () => isTotalUsed(bytes),
      performance.now() - graceMs,
      (holding) => holding !== own,
    )
    return budget.take(client, bytes)
  }

  return {
    /** Holds the bytes, or returns why that is refused. What is held must be released. */
    hold: (client: Client, bytes: number, owner: HoldingOwner): Holding | Exceeded =>
      take(client, bytes) ?? begin(client, bytes, owner),
    /**
     * Holds bytes that cannot be refused. The longest waiting holdings of the client, or of all, lose their place to
     * them, without a grace period.
     */
    holdAnyway: (client: Client, bytes: number, owner: HoldingOwner): Holding => {
      const now = performance.now()
      evictWhile(
        () => isShareUsed(client, bytes),
        now,
        (holding) => holding.client === client,
      )
      evictWhile(
        () => isTotalUsed(bytes),
        now,
        () => true,
      )
      budget.takeAnyway(client, bytes)
      return begin(client, bytes, owner)
    },
    /** A holding without bytes yet. */
    start: (client: Client, owner: HoldingOwner): Holding => begin(client, 0, owner),
    /** Adds bytes to the holding, or returns why that is refused. */
    grow: (holding: Holding, bytes: number): Exceeded | undefined => {
      const exceeded = take(holding.client, bytes, holding)
      if (exceeded === undefined) holding.bytes += bytes
      return exceeded
    },
    /** The client has done its part: the bytes remain held, and keep their place. */
    keep: (holding: Holding): void => void waiting.delete(holding),
    release,
    isShareUsed,
  }
}

export type Holdings = ReturnType<typeof createHoldings>
