import type { RedisClientType } from '@redis/client'
import type { Refusals } from './command-guard.ts'

/** Twice as long must fit into the deadline of a command, which may have to wait for the one before it. */
const waitMs = 200

/** WAIT, on one connection. It blocks the connection, so one serves all who ask while another is under way. */
const waits = (client: RedisClientType, replicas: number, notConfirmed: Refusals['notConfirmed']) => {
  let last: Promise<unknown> = Promise.resolve()
  let next: { connection: number; count: Promise<number> } | undefined

  return (connection: number): Promise<number> => {
    if (next?.connection === connection) return next.count
    const send = () => {
      next = undefined
      // WAIT speaks of its own connection: on a new one, which has written nothing, every replica has everything.
      if (client.socketEpoch !== connection) throw notConfirmed()
      return client.wait(replicas, waitMs)
    }
    const count = last.then(send, send)
    last = count
    next = { connection, count }
    return count
  }
}

/**
 * Resolves when that many replicas have everything that the connection, which is the client's `socketEpoch`, has written
 * until now; rejects with `unavailable` when they do not in time.
 */
export const replication = (replicas: number, { notConfirmed }: Pick<Refusals, 'notConfirmed'>) => {
  const waitsOf = new WeakMap<RedisClientType, ReturnType<typeof waits>>()
  return async (client: RedisClientType, connection: number): Promise<void> => {
    const wait = waitsOf.get(client) ?? waits(client, replicas, notConfirmed)
    waitsOf.set(client, wait)
    const count = await wait(connection).catch((error: unknown) => {
      throw notConfirmed(error)
    })
    if (count < replicas) throw notConfirmed()
  }
}
