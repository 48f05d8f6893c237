import type { Socket } from 'node:net'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RequestContext } from '../request-context.ts'
import { callerGoneError } from '../transports.ts'
import { clientOf } from './edge/client.ts'

/** A request whose response is not finished. */
type PendingRequest = Readonly<{ controller: AbortController; stopsAtEndOfInput: boolean }>

/** The pending requests of each connection. Pipelined requests share a connection. */
const requestsOf = new WeakMap<Socket, Set<PendingRequest>>()

/** Returns the pending requests of the connection. The first call for a connection adds its listeners. */
const pendingOn = (socket: Socket): Set<PendingRequest> => {
  const known = requestsOf.get(socket)
  if (known !== undefined) return known
  const requests = new Set<PendingRequest>()
  requestsOf.set(socket, requests)
  socket.on('end', () => {
    for (const { controller, stopsAtEndOfInput } of requests)
      if (stopsAtEndOfInput) controller.abort(callerGoneError)
  })
  const abortAll = () => {
    for (const { controller } of requests) controller.abort(callerGoneError)
  }
  // A reset: `close` comes only after the next tick, in which a query may begin.
  socket.on('error', abortAll)
  // Prepended to run before Node.js closes the responses on the same event: a closed response removes its
  // request from the set, and its signal would never abort.
  socket.prependListener('close', abortAll)
  return requests
}

/**
 * Returns a signal that aborts when the connection of the request closes. On routes with `stopsAtEndOfInput`
 * it already aborts at the end of the input: the client has left, or has only finished sending, and these
 * routes treat both as gone. The signal depends on the connection, because the response's close event comes
 * too late.
 */
const callerSignal = (request: FastifyRequest): AbortSignal => {
  const { raw, routeOptions } = request
  const { socket } = raw
  const stopsAtEndOfInput = routeOptions.config.stopsAtEndOfInput === true
  const controller = new AbortController()
  if (socket.destroyed || (stopsAtEndOfInput && socket.readableEnded)) controller.abort(callerGoneError)
  const pending = { controller, stopsAtEndOfInput }
  pendingOn(socket).add(pending)
  request[pendingKey] = pending
  return controller.signal
}

const key = Symbol('context')
const pendingKey = Symbol('pending request')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For expensive reads: they stop when the client closes its sending side of the connection. */
    stopsAtEndOfInput?: boolean
  }
  interface FastifyRequest {
    [key]: Context | undefined
    [pendingKey]: PendingRequest | undefined
  }
}

/** Declares the properties that hold the context of each request. */
export const decorateWithContext = (app: FastifyInstance): void =>
  void app.decorateRequest(key, undefined).decorateRequest(pendingKey, undefined)

/** Creates the context of a request. Called once per request, after its body has been read. */
export const makeContext = (request: FastifyRequest): Context & RequestContext => {
  const context = {
    requestId: request.id,
    principal: anonymous,
    client: clientOf(request),
    signal: callerSignal(request),
  }
  request[key] = context
  return context
}

/** Call this when the response is closed: the signal of the request then aborts no more, and the connection forgets it. */
export const endContext = (request: FastifyRequest): void => {
  const pending = request[pendingKey]
  if (pending !== undefined) requestsOf.get(request.raw.socket)?.delete(pending)
}

/**
 * Returns the context for use cases. Only for handlers: a request that is rejected earlier has no context.
 */
export const contextOf = (request: FastifyRequest): Context => {
  const context = request[key]
  if (context === undefined) throw new Error('the request has no context yet')
  return context
}

/** Whether the caller no longer waits for the response. */
export const isAbandoned = (request: FastifyRequest): boolean =>
  request[key]?.signal?.aborted === true || request.raw.readableAborted
