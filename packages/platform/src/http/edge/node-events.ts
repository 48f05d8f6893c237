import { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/**
 * Passes on requests that Node.js would answer itself, without a problem, or not at all: those with an unknown
 * `Expect`, and CONNECT, which has a connection but no response object.
 */
export const receiveAllRequests = (app: FastifyInstance): void => {
  const { server } = app
  server.on('checkExpectation', (request, response) => app.routing(request, response))
  server.on('connect', (request, socket) => {
    socket.on('error', () => {})
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(request.socket)
    response.once('finish', () => request.socket.destroySoon())
    app.routing(request, response)
  })
}
