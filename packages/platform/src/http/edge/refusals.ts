import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sendStatus } from '../errors.ts'
import { sendAllow, serverMethods } from '../methods.ts'
import { isUncompressed } from './media-types.ts'
import type { HeadCheck } from './request-head.ts'
import { targetRefusal } from './request-target.ts'
import { isUnknownPath } from './route.ts'

/** The target of `OPTIONS *` is the server (RFC 9110 §9.3.7), that of CONNECT another host (§9.3.6). */
const refuseUnknownPath = (request: FastifyRequest, reply: FastifyReply): void => {
  const { method, originalUrl } = request
  if (method === 'OPTIONS' && originalUrl === '*') void sendAllow(reply, serverMethods).code(204).send()
  else if (method === 'CONNECT') void sendStatus(405, request, sendAllow(reply, serverMethods))
  else void sendStatus(404, request, reply)
}

/** Refuses requests that no route may see: with a head that the server must refuse, or with a compressed body. */
export const refuseRequests = (app: FastifyInstance, checkHead: HeadCheck): void => {
  app.addHook('onRequest', (request, reply, done) => {
    const headRefusal = checkHead(request.raw)
    if (headRefusal !== undefined) void reply.header('connection', 'close')
    const refusal = headRefusal ?? targetRefusal(request.raw)
    if (refusal !== undefined) void sendStatus(refusal.status, request, reply, refusal.detail)
    else done()
  })
  // After `onRequest`, so that a path without the method answers 405.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (isUncompressed(request)) return done()
    void sendStatus(
      415,
      request,
      reply.header('accept-encoding', 'identity'),
      'unsupported content coding; send the body uncompressed',
    )
  })
}

/**
 * Refuses requests to unknown paths, and DELETE requests to a path with a trailing slash. For other methods the slash is ignored.
 * However, `DELETE …/items/` probably lost its id and must not clear the collection.
 */
export const refusePaths = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    if (isUnknownPath(request)) refuseUnknownPath(request, reply)
    else if (request.method === 'DELETE' && /^[^?]+\/(?:\?|$)/.test(request.url))
      void sendStatus(404, request, reply)
    else done()
  })
}
