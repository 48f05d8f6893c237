import type { Socket } from 'node:net'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerGone } from '../transports.ts'

/** One request that waits for its answer on a connection. */
type Caller = Readonly<{ gone: AbortController; stopsAtEndOfInput: boolean }>

/** The callers of each connection: pipelined requests share it. */
const callersOf = new WeakMap<Socket, Set<Caller>>()

/** Listens once per connection, however many requests it has. */
const callersOn = (socket: Socket): Set<Caller> => {
  const known = callersOf.get(socket)
  if (known !== undefined) return known
  const callers = new Set<Caller>()
  callersOf.set(socket, callers)
  socket.on('end', () => {
    for (const { gone, stopsAtEndOfInput } of callers) if (stopsAtEndOfInput) gone.abort(callerGone)
  })
  // First, for with the connection Node.js closes the answers, which then have no caller any more.
  socket.prependListener('close', () => {
    for (const { gone } of callers) gone.abort(callerGone)
  })
  return callers
}

/**
 * A signal that aborts when the connection of the request is gone, and, where the route says so, already when its input has
 * ended: a client that closes looks just like one that has only said all that it has to say. The connection tells it, and not
 * the answer, whose end comes too late.
 */
const callerSignal = ({ raw, routeOptions }: FastifyRequest, reply: FastifyReply): AbortSignal => {
  const { socket } = raw
  const stopsAtEndOfInput = routeOptions.config.stopsAtEndOfInput === true
  const gone = new AbortController()
  if (socket.destroyed || (stopsAtEndOfInput && socket.readableEnded)) gone.abort(callerGone)
  const caller = { gone, stopsAtEndOfInput }
  const callers = callersOn(socket)
  callers.add(caller)
  reply.raw.once('close', () => callers.delete(caller))
  return gone.signal
}

const key = Symbol('context')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For reads that cost much: they stop when the client has closed its side of the connection. */
    stopsAtEndOfInput?: boolean
  }
  interface FastifyRequest {
    [key]: Context | undefined
  }
}

/** Makes place for the context of each request. */
export const decorateWithContext = (app: FastifyInstance): void => void app.decorateRequest(key, undefined)

/** Made once for each request, when its body has been read. */
export const makeContext = (request: FastifyRequest, reply: FastifyReply): Context => {
  const context = { requestId: request.id, principal: anonymous, signal: callerSignal(request, reply) }
  request[key] = context
  return context
}

/** What the use cases of a request are told. Only handlers have it: a request that is refused before has none. */
export const contextOf = (request: FastifyRequest): Context => {
  const context = request[key]
  if (context === undefined) throw new Error('the request has no context yet')
  return context
}

/** Whether nobody waits for the answer any more. */
export const isAbandoned = (request: FastifyRequest): boolean =>
  request[key]?.signal?.aborted === true || request.raw.readableAborted
