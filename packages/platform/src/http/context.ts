import type { Socket } from 'node:net'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerGoneError } from '../transports.ts'

/** A request that waits for its response on a connection. */
type Caller = Readonly<{ controller: AbortController; stopsAtEndOfInput: boolean }>

/** The callers of each connection: pipelined requests share one. */
const callersOf = new WeakMap<Socket, Set<Caller>>()

/** Adds listeners only once per connection, even if it carries many requests. */
const callersOn = (socket: Socket): Set<Caller> => {
  const known = callersOf.get(socket)
  if (known !== undefined) return known
  const callers = new Set<Caller>()
  callersOf.set(socket, callers)
  socket.on('end', () => {
    for (const { controller, stopsAtEndOfInput } of callers)
      if (stopsAtEndOfInput) controller.abort(callerGoneError)
  })
  // Prepended: Node.js closes the responses on the same event, and closed responses remove their callers.
  socket.prependListener('close', () => {
    for (const { controller } of callers) controller.abort(callerGoneError)
  })
  return callers
}

/**
 * Returns a signal that aborts when the connection of the request closes. On routes with `stopsAtEndOfInput`
 * it aborts as soon as the input ends, because a client that disconnects looks just like one that has only
 * finished sending. It listens to the connection, because the response closes too late.
 */
const callerSignal = ({ raw, routeOptions }: FastifyRequest, reply: FastifyReply): AbortSignal => {
  const { socket } = raw
  const stopsAtEndOfInput = routeOptions.config.stopsAtEndOfInput === true
  const controller = new AbortController()
  if (socket.destroyed || (stopsAtEndOfInput && socket.readableEnded)) controller.abort(callerGoneError)
  const caller = { controller, stopsAtEndOfInput }
  const callers = callersOn(socket)
  callers.add(caller)
  reply.raw.once('close', () => callers.delete(caller))
  return controller.signal
}

const key = Symbol('context')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For expensive reads: they stop when the client closes its side of the connection. */
    stopsAtEndOfInput?: boolean
  }
  interface FastifyRequest {
    [key]: Context | undefined
  }
}

/** Declares the property that holds the context of each request. */
export const decorateWithContext = (app: FastifyInstance): void => void app.decorateRequest(key, undefined)

/** Creates the context of a request. Called once per request, after its body has been read. */
export const makeContext = (request: FastifyRequest, reply: FastifyReply): Context => {
  const context = { requestId: request.id, principal: anonymous, signal: callerSignal(request, reply) }
  request[key] = context
  return context
}

/** Returns the context for use cases. Only for handlers: a request that is rejected earlier has no context. */
export const contextOf = (request: FastifyRequest): Context => {
  const context = request[key]
  if (context === undefined) throw new Error('the request has no context yet')
  return context
}

/** Whether the caller no longer waits for the response. */
export const isAbandoned = (request: FastifyRequest): boolean =>
  request[key]?.signal?.aborted === true || request.raw.readableAborted
