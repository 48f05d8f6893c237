import type { Socket } from 'node:net'
import { rawSocketOf } from '../tls/raw-socket.ts'
import { type Budget, createBudget, type Exceeded } from './budget.ts'
import type { Client, ClientFinder } from './client.ts'
import type { Connection, Transport } from './connection.ts'
import { idleConnectionCloser } from './idle-connections.ts'

/**
 * Whose connection it is: that of a client, which has a share, or of a trusted peer, which has none. `refused` connections exceed a
 * limit, and are open only until their client has been told so.
 */
type ConnectionClass = 'client' | 'trusted' | 'refused'

type Counts = Record<ConnectionClass, number>

/**
 * Connections over a limit that are still accepted, to be told so, and for health checks. One client has a tenth of
 * them: a client over its share does not keep the health checks of others away.
 */
export const connectionReserve = { total: 100, share: 10 }

const classOf = (client: Client, exceeded: Exceeded | undefined): ConnectionClass => {
  if (exceeded !== undefined) return 'refused'
  return client === undefined ? 'trusted' : 'client'
}

/** Returns a function that counts a connection until it closes. */
const counter =
  (open: Map<Socket, Connection>, counts: Counts, transport: Transport) =>
  (socket: Socket, budget: Budget, client: Client, exceeded?: Exceeded): void => {
    const connectionClass = classOf(client, exceeded)
    const release = () => {
      if (!open.delete(socket)) return
      budget.giveBack(client)
      counts[connectionClass] -= 1
    }
    counts[connectionClass] += 1
    open.set(socket, { transport, client, exceeded, running: 0, activeAt: performance.now(), release })
    socket.once('close', release)
  }

/** Counts the connections of all servers of the process, from `add` until they close. Trusted peers have no share. */
export const createConnections = (
  limits: Readonly<{ total: number; share: number }>,
  findClient: ClientFinder,
) => {
  const budget = createBudget(limits)
  const reserve = createBudget(connectionReserve)
  const open = new Map<Socket, Connection>()
  const counts = new Map<Transport, Counts>()
  const closeIdle = idleConnectionCloser(open, budget)
  return {
    /** Counts the connections of one server. */
    of: (transport: Transport) => {
      const ownCounts: Counts = { client: 0, trusted: 0, refused: 0 }
      counts.set(transport, ownCounts)
      const count = counter(open, ownCounts, transport)
      const take = (from: Budget, socket: Socket, exceeded?: Exceeded): Exceeded | undefined => {
        const client = findClient(socket.remoteAddress)
        const refusal = from.take(client)
        if (refusal === undefined) count(socket, from, client, exceeded)
        return refusal
      }
      return {
        /** Counts the connection until it closes, or returns why it is refused. */
        add: (socket: Socket): Exceeded | undefined => {
          closeIdle(performance.now())
          return take(budget, socket)
        },
        /** Counts a refused connection that stays open to be told so. Returns false if the reserve is used up, too. */
        addRefused: (socket: Socket, exceeded: Exceeded): boolean =>
          take(reserve, socket, exceeded) === undefined,
      }
    },
    find: (socket: Socket): Connection | undefined => open.get(rawSocketOf(socket)),
    used: budget.used,
    usedBy: budget.usedBy,
    total: budget.total,
    /** The number of connections by transport and class. */
    counts: (): ReadonlyMap<Transport, Readonly<Counts>> => counts,
  }
}
