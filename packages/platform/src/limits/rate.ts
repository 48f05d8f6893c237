import type { Client } from './client.ts'

/**
 * At most this many clients are remembered, in about 2 MB. Of more, those that have used least are forgotten: to be
 * forgotten himself, an attacker would need thousands of addresses that have used more.
 */
const maxClients = 10_000

type Options = Readonly<{
  /** What a client may use at once, and in each period. */
  amount: number
  periodSeconds: number
  /** The time in milliseconds, by a clock that never steps. */
  now?: () => number
}>

/** `used` is what was used at the time `at` and has not become available again. */
type Use = Readonly<{ used: number; at: number }>

/**
 * A rate that each client may use: `amount` at once, which becomes available again evenly within the period. Clients
 * without an identity are not limited.
 */
export const createRate = ({ amount, periodSeconds, now = () => performance.now() }: Options) => {
  const perMs = amount / (periodSeconds * 1_000)
  const uses = new Map<string, Use>()
  const usedAt = (time: number, { used, at }: Use): number => Math.max(0, used - (time - at) * perMs)
  const usedBy = (client: string, time: number): number => {
    const use = uses.get(client)
    return use === undefined ? 0 : usedAt(time, use)
  }

  /** Forgets half of the clients, none of which has used more than the others. It takes 4 ms, once for 5,000 new clients. */
  const forget = (time: number): void => {
    const used = Float64Array.from(uses.values(), (use) => usedAt(time, use)).toSorted()
    const median = used[maxClients / 2] ?? 0
    for (const [client, use] of uses) {
      if (uses.size <= maxClients / 2) return
      if (usedAt(time, use) <= median) uses.delete(client)
    }
  }

  return {
    /** Takes one, and returns undefined. If the client has used up its amount, returns the seconds until one is available. */
    take: (client: Client): number | undefined => {
      if (client === undefined) return undefined
      const time = now()
      const used = usedBy(client, time)
      const excess = used + 1 - amount
      // Rounding may leave a little of what has become available.
      if (excess > 1e-6) return Math.max(1, Math.ceil(excess / perMs / 1_000))
      uses.set(client, { used: used + 1, at: time })
      if (uses.size > maxClients) forget(time)
      return undefined
    },
    giveBack: (client: Client): void => {
      if (client === undefined || !uses.has(client)) return
      const time = now()
      uses.set(client, { used: Math.max(0, usedBy(client, time) - 1), at: time })
    },
  }
}

export type Rate = ReturnType<typeof createRate>
