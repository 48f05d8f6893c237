import type { Socket } from 'node:net'
import type { Allowance, Context } from '@shop/kernel/context.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RequestContext } from '../request-context.ts'
import { callerGoneError } from '../transports.ts'
import { clientOf } from './edge/client.ts'
import { routeOf } from './edge/route.ts'
import { principalOf } from './identify.ts'
import { allowanceOf } from './rates/rate-limits.ts'

/** The context of a request. Its signal is made when somebody asks for it: most requests end without one. */
class HttpContext implements Context, RequestContext {
  readonly requestId: string
  readonly principal: Principal
  readonly client: string | undefined
  readonly allowance: Allowance | undefined
  readonly #stopsAtEndOfInput: boolean
  #isAbandoned = false
  #controller: AbortController | undefined

  constructor(request: FastifyRequest) {
    this.requestId = request.id
    this.principal = principalOf(request)
    this.client = clientOf(request)
    this.allowance = allowanceOf(request)
    this.#stopsAtEndOfInput = routeOf(request).config.stopsAtEndOfInput === true
  }

  /**
   * Aborts when the connection of the request closes. On routes with `stopsAtEndOfInput` it already aborts at the end of the
   * input: the client has left, or has only finished sending, and these routes treat both as gone. It depends on the
   * connection, because the response's close event comes too late.
   */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#isAbandoned) this.#controller.abort(callerGoneError)
    return this.#controller.signal
  }

  get stopsAtEndOfInput(): boolean {
    return this.#stopsAtEndOfInput
  }

  /** Whether the caller no longer waits for the response. */
  get isAbandoned(): boolean {
    return this.#isAbandoned
  }

  abandon(): void {
    this.#isAbandoned = true
    this.#controller?.abort(callerGoneError)
  }
}

/** The contexts of the pending requests of each connection. Pipelined requests share a connection. */
const contextsOf = new WeakMap<Socket, Set<HttpContext>>()

/** Returns the contexts of the pending requests of the connection. The first call for a connection adds its listeners. */
const pendingOn = (socket: Socket): Set<HttpContext> => {
  const known = contextsOf.get(socket)
  if (known !== undefined) return known
  const pending = new Set<HttpContext>()
  contextsOf.set(socket, pending)
  socket.on('end', () => {
    for (const context of pending) if (context.stopsAtEndOfInput) context.abandon()
  })
  const abandonAll = () => {
    for (const context of pending) context.abandon()
  }
  // A reset: `close` comes only after the next tick, in which a query may begin.
  socket.on('error', abandonAll)
  // Prepended to run before Node.js closes the responses on the same event: a closed response removes its
  // request from the set, and its signal would never abort.
  socket.prependListener('close', abandonAll)
  return pending
}

const key = Symbol('context')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For expensive reads: they stop when the client closes its sending side of the connection. */
    stopsAtEndOfInput?: boolean
  }
  interface FastifyRequest {
    [key]: HttpContext | undefined
  }
}

/** Declares the property that holds the context of each request. */
export const decorateWithContext = (app: FastifyInstance): void => void app.decorateRequest(key, undefined)

/** Creates the context of a request. Called once per request, after its body has been read. */
export const makeContext = (request: FastifyRequest): Context & RequestContext => {
  const context = new HttpContext(request)
  const { socket } = request.raw
  if (socket.destroyed || (context.stopsAtEndOfInput && socket.readableEnded)) context.abandon()
  pendingOn(socket).add(context)
  request[key] = context
  return context
}

/** Call this when the response is closed: the signal of the request then aborts no more, and the connection forgets it. */
export const endContext = (request: FastifyRequest): void => {
  const context = request[key]
  if (context !== undefined) contextsOf.get(request.raw.socket)?.delete(context)
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
  request[key]?.isAbandoned === true || request.raw.readableAborted
