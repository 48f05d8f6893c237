import type { FastifyInstance } from 'fastify'
import type { Limits } from '../../limits/limits.ts'
import { connectionRefusals } from '../../limits/refused-connections.ts'
import type { Logger } from '../../logging/logger.ts'
import { sendStatus } from '../errors.ts'
import { isOperational } from '../operations/is-operational.ts'
import { httpStatus } from '../status.ts'

/**
 * Refuses the requests of connections over a limit with 429 (the share of the client) or 503 (the total), and closes
 * them, except health checks and scrapes. Connections beyond the reserve are closed at once. Returns what to call when a
 * connection cannot be accepted.
 */
export const limitConnections = (
  app: FastifyInstance,
  limits: Limits,
  logger: Logger,
): ((error: Error) => void) => {
  const { connections } = limits
  const { refuse, acceptFailed, close } = connectionRefusals(logger, limits)
  const ours = connections.of('http')
  app.server.on('connection', (socket) => {
    const exceeded = ours.add(socket)
    if (exceeded === undefined || ours.addRefused(socket, exceeded)) return
    refuse(exceeded)
    socket.destroy()
  })
  app.addHook('onRequest', (request, reply, done) => {
    const connection = connections.find(request.raw.socket)
    if (connection === undefined) return done()
    connection.running += 1
    const { exceeded } = connection
    if (exceeded === undefined) return done()
    void reply.header('connection', 'close')
    if (isOperational(request.routeOptions.url)) return done()
    const { kind, message } = refuse(exceeded)
    void sendStatus(httpStatus(kind), request, reply, message)
  })
  app.addHook('onResponse', (request, _reply, done) => {
    const connection = connections.find(request.raw.socket)
    if (connection !== undefined) {
      connection.running -= 1
      connection.activeAt = performance.now()
    }
    done()
  })
  app.addHook('onClose', async () => close())
  return acceptFailed
}
