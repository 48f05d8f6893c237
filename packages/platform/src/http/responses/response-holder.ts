import type { FastifyReply } from 'fastify'
import type { Exceeded } from '../../limits/budget.ts'
import type { Client } from '../../limits/client.ts'
import type { Holding, Holdings } from '../../limits/holdings.ts'
import { rawSocketOf } from '../../tls/raw-socket.ts'
import { clientOf } from '../edge/client.ts'

/** The bytes of one body, and the responses that wait for their client to take it. */
type SharedHolding = Readonly<{ holding: Holding; replies: Set<FastifyReply> }>

/** The holdings of each body. */
const createBodies = () => {
  const bodies = new WeakMap<Buffer, Map<Client, SharedHolding>>()
  return {
    /** Returns the client's holding of the body, unless it has been evicted. */
    find: (body: Buffer, client: Client): SharedHolding | undefined => {
      const known = bodies.get(body)?.get(client)
      return known?.holding.bytes === 0 ? undefined : known
    },
    add: (body: Buffer, client: Client, shared: SharedHolding): void => {
      const clients = bodies.get(body) ?? new Map<Client, SharedHolding>()
      bodies.set(body, clients.set(client, shared))
    },
    remove: (body: Buffer, client: Client, shared: SharedHolding): void => {
      const clients = bodies.get(body)
      if (clients?.get(client) === shared) clients.delete(client)
    },
  }
}

const ownerOf = (replies: ReadonlySet<FastifyReply>) => ({
  isWaiting: () => replies.values().some(({ request }) => request.raw.socket.writableLength > 0),
  evict: () => {
    // A reset also frees what the kernel holds for the client: up to 4 MiB.
    for (const { request } of replies) rawSocketOf(request.raw.socket).resetAndDestroy()
  },
})

type HoldOptions = Readonly<{ body?: Buffer | undefined; isForced?: boolean }>

/**
 * Returns a function that holds the bytes of a response until it is closed, or returns why that is refused. Responses that
 * share a buffer hold it once for each client: it is in memory once, and nobody pays for others or uses what others pay
 * for.
 */
export const responseHolder = (holdings: Holdings) => {
  const bodies = createBodies()

  const begin = (
    client: Client,
    bytes: number,
    { body, isForced }: HoldOptions,
  ): SharedHolding | Exceeded => {
    const replies = new Set<FastifyReply>()
    const owner = ownerOf(replies)
    const holding = isForced ? holdings.holdAnyway(client, bytes, owner) : holdings.hold(client, bytes, owner)
    if (typeof holding === 'string') return holding
    const shared = { holding, replies }
    if (body !== undefined) bodies.add(body, client, shared)
    return shared
  }

  return (reply: FastifyReply, bytes: number, options: HoldOptions = {}): Exceeded | undefined => {
    const { body } = options
    // Its response has closed already, or is about to: nothing waits, and nobody would release it.
    if (reply.request.raw.socket.destroyed) return undefined
    const client = clientOf(reply.request)
    const shared = (body && bodies.find(body, client)) ?? begin(client, bytes, options)
    if (typeof shared === 'string') return shared
    shared.replies.add(reply)
    reply.raw.once('close', () => {
      shared.replies.delete(reply)
      if (shared.replies.size > 0) return
      holdings.release(shared.holding)
      if (body !== undefined) bodies.remove(body, client, shared)
    })
    return undefined
  }
}
