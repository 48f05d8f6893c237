import { kindOf } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal, unrestricted } from '@shop/kernel/principal.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Identify } from '../auth/identity.ts'
import { clientOf } from './edge/client.ts'
import { countHeaders } from './edge/request-head.ts'
import { isUnknownPath, routeOf } from './edge/route.ts'

const key = Symbol('principal')
const isIdentified = Symbol('is identified')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For routes that are open to everybody, and ignore credentials: those of monitoring and documentation. */
    isOpen?: boolean
  }
  interface FastifyRequest {
    [key]: Principal | undefined
    /** Whether the server asks who its callers are. */
    [isIdentified]: boolean
  }
}

/** The caller of the request. */
export const principalOf = (request: FastifyRequest): Principal =>
  request[key] ?? (request[isIdentified] ? anonymous : unrestricted)

const repeated = unauthenticated('the request must not have more than one Authorization header')

/** Credentials that are never valid, in place of several: that they are refused counts as a failure of the client. */
const severalCredentials = 'several'

/**
 * Identifies the caller of each request, before its body is read. Invalid credentials are refused even where none are needed, so
 * that the client learns that they no longer work. Without `identify`, all callers may do everything.
 */
export const identifyCallers = (app: FastifyInstance, identify: Identify | undefined): void => {
  app.decorateRequest(key, undefined)
  app.decorateRequest(isIdentified, identify !== undefined)
  if (identify === undefined) return
  app.addHook('onRequest', (request, _reply, done) => {
    const { authorization } = request.headers
    if (authorization === undefined || isUnknownPath(request)) return done()
    if (routeOf(request).config.isOpen === true) return done()
    const isRepeated = countHeaders(request.raw, 'authorization') > 1
    const accept = (principal: Principal): void => {
      if (isRepeated) return done(repeated)
      request[key] = principal
      done()
    }
    const refuse = (error: Error): void =>
      done(isRepeated && kindOf(error) === 'unauthenticated' ? repeated : error)
    try {
      const found = identify(isRepeated ? severalCredentials : authorization, clientOf(request))
      if (found instanceof Promise) void found.then(accept, refuse)
      else accept(found)
    } catch (error) {
      refuse(error as Error)
    }
  })
}
