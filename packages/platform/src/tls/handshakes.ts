import type { Socket } from 'node:net'
import { every } from '../resilience/every.ts'

/** Time is counted in checks, one a second, so that a stall of this process does not use up the time of its clients. */
const maxChecks = 5

/**
 * The handshakes in progress. One that takes longer than five checks is cut off. Node.js has a limit of its own, which begins anew
 * with what the client receives.
 */
export const createHandshakes = (onTimeout: () => void, checkMs = 1_000) => {
  const open = new Map<Socket, number>()
  let checking: AbortController | undefined

  const check = (): void => {
    for (const [raw, checks] of open) {
      // Not as soon as it closes: why the handshake failed becomes known after that.
      if (raw.destroyed) open.delete(raw)
      else open.set(raw, checks + 1)
      if (raw.destroyed || checks < maxChecks) continue
      open.delete(raw)
      onTimeout()
      raw.destroy()
    }
    if (open.size === 0) {
      checking?.abort()
      checking = undefined
    }
  }

  return {
    begin: (raw: Socket): void => {
      open.set(raw, 0)
      if (checking !== undefined) return
      checking = new AbortController()
      void every(checkMs, check, checking.signal)
    },
    /** Returns false if the handshake is not in progress: it has ended, or was cut off. */
    end: (raw: Socket): boolean => open.delete(raw),
    /** Cuts off all of them. */
    destroy: (): void => {
      for (const raw of open.keys()) raw.destroy()
      open.clear()
    },
  }
}
