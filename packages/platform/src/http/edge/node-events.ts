import { type IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { afterResponses, pendingResponse } from './connection-errors.ts'
import type { HeadCheck } from './request-head.ts'

/** How long a connection with CONNECT may be without data in either direction. */
const idleLimitMs = 15_000

/** Whether the client shall send the body: not if the request is refused because of its head. */
const mayContinue = (app: FastifyInstance, checkHead: HeadCheck, request: IncomingMessage): boolean =>
  checkHead(request) === undefined &&
  Number(request.headers['content-length'] ?? 0) <= (app.initialConfig.bodyLimit ?? Infinity)

const answerConnect = (app: FastifyInstance, request: IncomingMessage): void => {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(request.socket)
  response.once('finish', () => request.socket.destroySoon())
  app.routing(request, response)
}

/**
 * Passes on requests that Node.js would answer itself, without a problem, or not at all: those with an unknown
 * `Expect`, and CONNECT, which has a connection but no response object.
 */
export const receiveAllRequests = (app: FastifyInstance, checkHead: HeadCheck): void => {
  const { server } = app
  server.on('checkContinue', (request, response) => {
    if (mayContinue(app, checkHead, request)) response.writeContinue()
    app.routing(request, response)
  })
  server.on('checkExpectation', (request, response) => app.routing(request, response))
  server.on('connect', (request, socket) => {
    socket.on('error', () => {})
    // From here on, Node.js neither limits the time of the connection nor tells responses when they may go on.
    request.socket.setTimeout(idleLimitMs, () => request.socket.destroy())
    request.socket.on('drain', () => pendingResponse(request.socket)?.emit('drain'))
    afterResponses(request.socket, () => answerConnect(app, request))
  })
}
