import type { Socket } from 'node:net'
import { every } from '../resilience/every.ts'

/** Time is counted in checks, one a second, so that a stall of this process does not use up the time of its clients. */
const maxChecks = 5

/**
 * A client can make each handshake hold 170 KB, ten times as much as an idle connection: of all connections that a process accepts,
 * only so many may be in that state. A process makes some 1,000 full handshakes a second, and each takes a few round trips.
 */
const maxHandshakes = 250

/** Whose handshake it is; undefined for a proxy, which makes those of many. */
type Client = string | undefined

/** Finds the client by the address of its connection. */
export type FindClient = (address: string | undefined) => Client

type Handshake = { readonly client: Client; checks: number }

/** The handshakes in progress, in the order of their beginning. */
const createOpenHandshakes = () => {
  const all = new Map<Socket, Handshake>()
  const byClient = new Map<Client, Set<Socket>>()
  return {
    all,
    add: (raw: Socket, client: Client): void => {
      const own = byClient.get(client) ?? new Set()
      byClient.set(client, own.add(raw))
      all.set(raw, { client, checks: 0 })
    },
    /** Returns false if it is not in progress. */
    remove: (raw: Socket): boolean => {
      const handshake = all.get(raw)
      if (handshake === undefined) return false
      const own = byClient.get(handshake.client)
      own?.delete(raw)
      if (own?.size === 0) byClient.delete(handshake.client)
      return all.delete(raw)
    },
    destroyAll: (): void => {
      for (const raw of all.keys()) raw.destroy()
      all.clear()
      byClient.clear()
    },
    /** The oldest one of the client with the most: who floods must not cut off the others. */
    crowding: (): Socket | undefined => {
      let most: Set<Socket> | undefined
      for (const own of byClient.values()) if (own.size > (most?.size ?? 0)) most = own
      return most?.values().next().value
    },
  }
}

type CutReason = 'timeout' | 'evicted'

type Options = Readonly<{
  /** Called for each handshake that is cut off, with the reason. */
  onCut: (reason: CutReason) => void
  checkMs?: number | undefined
  max?: number
}>

/**
 * Follows the handshakes in progress. One that takes longer than five checks is cut off: Node.js has a limit of its own, which begins
 * anew with what the client receives. If there are too many, one of the client with the most is cut off for each new one.
 */
export const createHandshakes = ({ onCut, checkMs = 1_000, max = maxHandshakes }: Options) => {
  const { all, add, remove, crowding, destroyAll } = createOpenHandshakes()
  let checking: AbortController | undefined

  const cut = (raw: Socket, reason: CutReason): void => {
    remove(raw)
    if (raw.destroyed) return
    onCut(reason)
    raw.destroy()
  }

  const check = (): void => {
    for (const [raw, handshake] of all) {
      // Not as soon as it closes: why the handshake failed becomes known after that.
      if (raw.destroyed) remove(raw)
      else if (handshake.checks >= maxChecks) cut(raw, 'timeout')
      else handshake.checks += 1
    }
    if (all.size > 0) return
    checking?.abort()
    checking = undefined
  }

  return {
    begin: (raw: Socket, client: Client): void => {
      const crowdingOne = all.size < max ? undefined : crowding()
      if (crowdingOne !== undefined) cut(crowdingOne, 'evicted')
      add(raw, client)
      if (checking !== undefined) return
      checking = new AbortController()
      void every(checkMs, check, checking.signal)
    },
    /** Returns false if the handshake is not in progress: it has ended, or was cut off. */
    end: remove,
    /** Cuts off all of them. */
    destroy: destroyAll,
  }
}
