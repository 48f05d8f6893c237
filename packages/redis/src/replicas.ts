import type { RedisClientType } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import type { StoreErrors } from './command-guard.ts'
import type { Command } from './connection.ts'

/** A WAIT may have to wait for the previous one, so twice this time must fit into the deadline of a command. */
const waitMs = 200

/**
 * Returns a function that sends WAIT. WAIT blocks its connection, so one runs at a time, and all writes that finish
 * meanwhile share the next one.
 */
const createWait = (client: RedisClientType, replicas: number, notConfirmed: StoreErrors['notConfirmed']) => {
  let last: Promise<unknown> = Promise.resolve()
  let next: { connection: number; count: Promise<number> } | undefined

  return (connection: number): Promise<number> => {
    if (next?.connection === connection) return next.count
    const send = () => {
      next = undefined
      // WAIT covers the writes of its own connection only. A new connection has none, so WAIT would succeed at once.
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
 * Returns a function that waits until `replicas` replicas have everything written so far on a connection, which is
 * identified by the client's `socketEpoch`. It rejects with `unavailable` on timeout, or if the connection was lost.
 */
export const createReplicaWait = (replicas: number, { notConfirmed }: Pick<StoreErrors, 'notConfirmed'>) => {
  const waits = new WeakMap<RedisClientType, ReturnType<typeof createWait>>()
  return async (client: RedisClientType, connection: number): Promise<void> => {
    const wait = waits.get(client) ?? createWait(client, replicas, notConfirmed)
    waits.set(client, wait)
    const count = await wait(connection).catch((error: unknown) => {
      throw notConfirmed(error)
    })
    if (count < replicas) throw notConfirmed()
  }
}

/** Returns a command for a health check: it rejects unless `replicas` replicas have everything written so far. */
export const checkReplicas =
  (replicas: number, wait: ReturnType<typeof createReplicaWait>): Command<void> =>
  (client) =>
    wait(client, client.socketEpoch).catch((cause: unknown) => {
      const message = `fewer than ${replicas} replicas confirm writes in time`
      throw new AppError('unavailable', message, { cause })
    })
