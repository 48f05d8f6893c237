import type { Socket } from 'node:net'
import type { Budget } from './budget.ts'
import type { Connection } from './connection.ts'

/** From this share of the total on, idle connections are closed, until only `roomy` are left. */
const tight = 0.9
const roomy = 0.8

/** A client that is about to send its next request must not find its connection closed. */
const minIdleMs = 1_000

/** If there are fewer idle connections than wanted, they are looked for again only after this time: 10,000 take 1 ms. */
const searchPauseMs = 1_000

type Open = ReadonlyMap<Socket, Connection>

const isIdle = ({ transport, exceeded, running, activeAt }: Connection, now: number): boolean =>
  transport === 'http' && exceeded === undefined && running <= 0 && now - activeAt >= minIdleMs

/** Closes up to so many idle HTTP connections, those of the clients with the most. Returns how many. */
const closeIdle = (open: Open, { usedBy }: Budget, wanted: number, now: number): number => {
  const byNumber: [Socket, Connection][][] = []
  for (const [socket, connection] of open)
    if (isIdle(connection, now)) (byNumber[usedBy(connection.client)] ??= []).push([socket, connection])
  const idle = byNumber.flat().slice(-wanted)
  for (const [socket, { release }] of idle) {
    release()
    socket.destroy()
  }
  return idle.length
}

/**
 * Closes idle HTTP connections when the total is almost used up, so that newcomers are served. The returned function is
 * called before a connection is added. gRPC connections are not closed: their clients learn it only from an error.
 */
export const roomMaker = (open: Open, budget: Budget) => {
  let nextSearch = 0
  return (now: number): void => {
    if (budget.used() < budget.total * tight || now < nextSearch) return
    const wanted = budget.used() - Math.floor(budget.total * roomy)
    if (closeIdle(open, budget, wanted, now) < wanted) nextSearch = now + searchPauseMs
  }
}
