import type { FastifyInstance, FastifyRequest } from 'fastify'

type Route = FastifyRequest['routeOptions']

const key = Symbol('route')

declare module 'fastify' {
  interface FastifyRequest {
    [key]: Route | undefined
  }
}

/** Declares the property for `routeOf`. */
export const decorateWithRoute = (app: FastifyInstance): void => void app.decorateRequest(key, undefined)

/**
 * The options of the request's route. Fastify makes an object of 13 members each time that it is asked. A route may pass the
 * request on to that for unknown paths.
 */
export const routeOf = (request: FastifyRequest): Route =>
  request.is404 ? request.routeOptions : (request[key] ??= request.routeOptions)

/** Whether the path has no route. `*` is the route of the CORS plugin, which matches every path. */
export const isUnknownPath = (request: FastifyRequest): boolean =>
  request.is404 || routeOf(request).url === '*'
