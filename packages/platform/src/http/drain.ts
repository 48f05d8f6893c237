import type { FastifyInstance } from 'fastify'
import type { Health } from '../health/health.ts'
import { drainLimitMs } from '../transports.ts'

/**
 * Once `beginDrain` is called, the service is stopping, or the server begins to close, every response carries
 * `Connection: close`. Clients then reconnect elsewhere, and no request is in flight on a kept connection when the
 * server closes it. Connections that are still open eight seconds after the server began to close are destroyed.
 */
export const drainOnClose = (app: FastifyInstance, health: Health) => {
  let draining = false
  const beginDrain = () => {
    draining = true
  }
  app.addHook('preClose', (done) => {
    beginDrain()
    setTimeout(() => app.server.closeAllConnections(), drainLimitMs).unref()
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (draining || health.isStopping()) void reply.header('connection', 'close')
    done()
  })
  return { beginDrain }
}
