import type { Budget, Exceeded } from './budget.ts'
import type { Client } from './client.ts'

/**
 * A response with bytes that its client has not taken yet. Both transports implement it, with an object that they have
 * for each request anyway.
 */
export interface UnreadResponse {
  readonly client: Client
  /** For `unreadResponses` only: initially 0. */
  unreadBytes: number
  /** For `unreadResponses` only: the time at which the client began not to take them. */
  unreadSince: number
  /** Ends the response at once, so that its memory is free. Its bytes have been given back already. */
  cut: () => void
}

/** A client that does not take a response within this time is not going to, or is too slow to be served. */
export const maxUnreadMs = 30_000

/** Whoever takes a response at all takes it within seconds; before that, it is not cut to make room for others. */
const minUnreadMs = 5_000

/** Responses up to this size are never refused: they cost less than the error would, and errors and health are small. */
export const alwaysSentBytes = 16 * 1024

type CutReason = 'too_slow' | 'room_for_others'

export type UnreadTimes = Readonly<{ maxMs?: number; minMs?: number }>

type Options = UnreadTimes &
  Readonly<{
    /** Called for each response that is cut, before that. */
    onCut?: (reason: CutReason) => void
  }>

/**
 * The responses that wait for their clients, in memory. Their bytes are bounded by the budget, and their time by
 * `maxUnreadMs`. While the total is used up, new responses replace those that have waited longest.
 */
export const createUnreadResponses = (
  budget: Budget,
  { maxMs = maxUnreadMs, minMs = minUnreadMs, onCut }: Options = {},
) => {
  /** In the order in which they began to wait. */
  const waiting = new Set<UnreadResponse>()

  const giveBackAll = (response: UnreadResponse): void => {
    if (!waiting.delete(response)) return
    budget.giveBack(response.client, response.unreadBytes)
    response.unreadBytes = 0
  }

  const cut = (response: UnreadResponse, reason: CutReason): void => {
    giveBackAll(response)
    onCut?.(reason)
    response.cut()
  }

  /** Cuts responses, those that have waited longest first, until there is room or none has waited for `minMs`. */
  const makeRoom = (bytes: number): void => {
    const now = performance.now()
    for (const response of waiting) {
      if (budget.used() + bytes <= budget.total || now - response.unreadSince < minMs) return
      cut(response, 'room_for_others')
    }
  }

  const takeFrom = (client: Client, bytes: number): Exceeded | undefined => {
    if (bytes <= alwaysSentBytes) {
      budget.takeAnyway(client, bytes)
      return undefined
    }
    const exceeded = budget.take(client, bytes)
    if (exceeded !== 'total') return exceeded
    makeRoom(bytes)
    return budget.take(client, bytes)
  }

  return {
    /**
     * Counts bytes that are about to be sent, or returns why they must not be. Small ones may always be sent. They must be
     * given back when the client has taken them, and when the response ends otherwise.
     */
    take: (response: UnreadResponse, bytes: number): Exceeded | undefined => {
      const exceeded = takeFrom(response.client, bytes)
      if (exceeded !== undefined) return exceeded
      if (response.unreadBytes === 0) {
        response.unreadSince = performance.now()
        waiting.add(response)
      }
      response.unreadBytes += bytes
      return undefined
    },
    /** The client has taken these bytes. What it takes next has its own time. */
    giveBack: (response: UnreadResponse, bytes: number): void => {
      if (!waiting.has(response)) return
      if (bytes >= response.unreadBytes) return giveBackAll(response)
      budget.giveBack(response.client, bytes)
      response.unreadBytes -= bytes
    },
    /** The response has ended: the client has taken everything, or has left. */
    giveBackAll,
    /** Cuts the responses that have waited too long. To be called about every second. */
    cutSlow: (): void => {
      const end = performance.now() - maxMs
      for (const response of waiting) {
        if (response.unreadSince > end) return
        cut(response, 'too_slow')
      }
    },
    count: (): number => waiting.size,
  }
}

export type UnreadResponses = ReturnType<typeof createUnreadResponses>
