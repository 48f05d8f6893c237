/**
 * What most services add to the obvious implementation, if LOG_FILE is set: a request id, a log line for each
 * request at `info`, a histogram of durations, and `GET /metrics` with the default metrics.
 */

import { randomUUID } from 'node:crypto'
import { collectDefaultMetrics, Histogram, Registry } from '@prometheus-io/client'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import pino from 'pino'

export type Observe = (fields: Readonly<Record<string, unknown>>, seconds: number) => void

const addMetrics = (app: FastifyInstance): Observe => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const duration = new Histogram({
    name: 'request_duration_seconds',
    help: 'Duration of requests',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )
  return ({ method, route, status }, seconds) =>
    duration.observe({ method: String(method), route: String(route), status: String(status) }, seconds)
}

/** Creates the app, and a function that logs and measures anything that is no HTTP request. */
export const createObservedApp = (): { app: FastifyInstance; observe: Observe | undefined } => {
  const { LOG_FILE } = process.env
  if (LOG_FILE === undefined) return { app: Fastify(), observe: undefined }
  const logger: FastifyBaseLogger = pino({ level: 'info' }, pino.destination({ dest: LOG_FILE, sync: false }))
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
  })
  const measure = addMetrics(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  app.addHook(
    'onResponse',
    ({ id, method, routeOptions: { url: route }, url }, { statusCode: status, elapsedTime }, done) => {
      logger.info({ request_id: id, method, route, url, status, duration_ms: elapsedTime }, 'request')
      measure({ method, route, status }, elapsedTime / 1_000)
      done()
    },
  )
  const observe: Observe = (fields, seconds) => {
    logger.info({ request_id: randomUUID(), ...fields, duration_ms: seconds * 1_000 }, 'call')
    measure({ method: 'grpc', ...fields }, seconds)
  }
  return { app, observe }
}
