import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Limits } from '../../limits/limits.ts'
import { sendStatus } from '../errors.ts'
import { isOperational } from '../operations/operation-routes.ts'

/** Connections above the limit that are still accepted, to be told so, and for health checks. */
const reserve = 100

/**
 * Refuses requests of connections that exceed the limit with 503 and closes them, except health checks and scrapes.
 * Above the reserve, connections are closed at once.
 */
export const limitConnections = (app: FastifyInstance, { connections: { total: limit } }: Limits): void => {
  const { server } = app
  server.maxConnections = limit + reserve
  const excess = new WeakSet<Socket>()
  let count = 0
  server.on('connection', (socket) => {
    count += 1
    socket.once('close', () => (count -= 1))
    if (count > limit) excess.add(socket)
    // Node.js counts each listener by itself.
    if (count > limit + reserve) socket.destroy()
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (!excess.has(request.raw.socket)) return done()
    void reply.header('connection', 'close')
    if (isOperational(request.routeOptions.url)) done()
    else void sendStatus(503, request, reply, 'too many connections, try again later')
  })
}
