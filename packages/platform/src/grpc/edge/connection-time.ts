import type { Socket } from 'node:net'
import { every } from '../../resilience/every.ts'

/** Time is counted in checks, one a second, so that a stall of this process does not use up the time of its clients. */
const maxChecks = 5

/** The length of the preface with which an HTTP/2 connection begins (RFC 9113 §3.4). */
const prefaceLength = 24

type Waiting = { forPreface: number; forEnd: number }

/**
 * Cuts off connections that take five seconds to send the preface of HTTP/2, or to close after the server has closed its
 * side. The library waits for 40 seconds, or without a limit. From the preface on, it is the library that closes
 * connections.
 */
export const limitTime = (checkMs: number) => {
  const open = new Map<Socket, Waiting>()
  let checking: AbortController | undefined

  const check = (): void => {
    for (const [socket, waiting] of open) {
      if (socket.bytesRead < prefaceLength) waiting.forPreface += 1
      if (socket.writableEnded) waiting.forEnd += 1
      if (waiting.forPreface > maxChecks || waiting.forEnd > maxChecks) socket.destroy()
    }
    if (open.size === 0) {
      checking?.abort()
      checking = undefined
    }
  }

  return {
    add: (socket: Socket): void => {
      open.set(socket, { forPreface: 0, forEnd: 0 })
      socket.once('close', () => open.delete(socket))
      if (checking !== undefined) return
      checking = new AbortController()
      void every(checkMs, check, checking.signal)
    },
    /** Cuts off all connections, after what has been written to them. */
    destroy: (): void => {
      for (const socket of open.keys()) socket.destroySoon()
    },
  }
}
