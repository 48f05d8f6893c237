import { isUtf8 } from 'node:buffer'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { invalid } from '@shop/kernel/errors.ts'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { TSchema } from 'typebox'
import { answerOrigins, corsHeaders, type Origins } from './cors.ts'
import type { Health } from './health.ts'
import {
  answerErrors,
  methods,
  refuseOtherMethods,
  sendConnectionError,
  sendError,
  sendStatus,
} from './http-errors.ts'
import { inTraceOf, traceRequests } from './http-tracing.ts'
import { shedLoad } from './load-shedding.ts'
import { type Logger, ofHarmlessFields } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { documentApi } from './openapi.ts'
import { isOperational, operationRoutes } from './operation-routes.ts'
import { ProblemSchema } from './problem.ts'
import { requestContext, requestIdFrom, requestIdHeader } from './request-context.ts'
import { securityHeaders } from './security-headers.ts'
import { validateStrictly } from './validation.ts'

const drainLimitMs = 8_000
const maxConnections = 10_000

export type HttpServerOptions = Readonly<{
  title: string
  version: string
  /** Schemas with an `$id`, which routes refer to by it. */
  schemas: readonly TSchema[]
  routes: FastifyPluginAsyncTypebox
  logger: Logger
  metrics: Metrics
  health: Health
  config?: Partial<EdgeConfig>
}>

/** How much of itself the server shows to whom, and when it refuses requests because it has too many. */
export type EdgeConfig = Readonly<{
  DOCS: 'on' | 'off'
  CORS_ORIGINS: Origins
  MAX_EVENT_LOOP_DELAY_MS: number
}>

const edgeDefaults: EdgeConfig = { DOCS: 'on', CORS_ORIGINS: '*', MAX_EVENT_LOOP_DELAY_MS: 0 }

/**
 * An HTTP server with what every service of the house has: errors, limits, documentation, health and metrics; and whether
 * it has more to do than it can, at the moment.
 */
export const createHttpServer = async (options: HttpServerOptions) => {
  const config = { ...edgeDefaults, ...options.config }
  const loggerInstance: FastifyBaseLogger = options.logger
  const app: FastifyInstance = Fastify({
    loggerInstance,
    // The request id is in every line by the logger's own means: a child logger for each request would repeat it.
    childLoggerFactory: (logger) => logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: ({ headers }) => requestIdFrom(headers[requestIdHeader]),
    bodyLimit: 64 * 1024,
    // Who sends slowly on purpose is found out soon: Node.js looks for it only every half minute by itself.
    http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    requestTimeout: 15_000,
    keepAliveTimeout: 72_000,
    // What was accepted is served, also while stopping.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 2_048, ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
    clientErrorHandler: sendConnectionError,
  })
  // More would use up the file descriptors that are for the stores.
  app.server.maxConnections = maxConnections
  answerErrors(app)
  app.removeAllContentTypeParsers()
  acceptJson(app, 'application/json')
  validateStrictly(app)
  traceRequests(app, clientClosedRequest)
  followRequests(app, options, corsHeaders(config.CORS_ORIGINS))
  const isOverloaded = await shedLoad(app, config.MAX_EVENT_LOOP_DELAY_MS)
  const drain = drainOnClose(app, options.health)
  deleteNothingUnnamed(app)
  const refuse = refuseOtherMethods(app)
  for (const schema of [ProblemSchema, ...options.schemas]) app.addSchema(schema)

  await answerOrigins(app, config.CORS_ORIGINS)
  if (config.DOCS === 'on') await documentApi(app, options)
  await app.register(operationRoutes(options))
  await app.register(options.routes)
  refuse()
  return { app, drain, isOverloaded }
}

/**
 * Reads bodies of the media type as JSON. An empty body is none: many clients name a type with a DELETE too. Members that
 * could reach a prototype are dropped, as all that the contract does not know.
 */
export const acceptJson = (app: FastifyInstance, mediaType: string): void => {
  const parseJson = app.getDefaultJsonParser('remove', 'remove')
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined)
    else if (!isUtf8(body)) done(invalid({ path: '', message: 'must be UTF-8' }))
    else void parseJson(request, body.toString(), done)
  })
}

/** A slash at the end is of no account elsewhere; here `…/items/` may lack an id, and must not stand for all items. */
const deleteNothingUnnamed = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'DELETE' && request.url.split('?', 1)[0]?.endsWith('/'))
      void sendStatus(404, request, reply)
    else done()
  })
}

/**
 * Returns a function to announce the end. From then on each answer ends its connection: so who uses one goes elsewhere with the next request, and none
 * is on its way over a kept connection when the server closes it. What is not finished eight seconds after the server began
 * to close is cut off.
 */
const drainOnClose = (app: FastifyInstance, health: Health): (() => void) => {
  let draining = false
  const drain = () => {
    draining = true
  }
  app.addHook('preClose', (done) => {
    drain()
    setTimeout(() => app.server.closeAllConnections(), drainLimitMs).unref()
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (draining || health.isStopping()) void reply.header('connection', 'close')
    done()
  })
  return drain
}

/** Nobody's answer: the caller went away before it. Not in RFC 9110, but what proxies write for it. */
const clientClosedRequest = 499

const knownMethods = new Set([...methods, 'OPTIONS'])

/** One log line and one measurement per request, when its answer is out or its caller gone. */
const requestRecorder = (logger: Logger, { httpRequestDuration }: Metrics) => {
  const requests = ofHarmlessFields(logger)
  return (request: FastifyRequest, reply: FastifyReply, status: number) =>
    inTraceOf(request, () => {
      const route = request.routeOptions.url ?? 'unmatched'
      const method = knownMethods.has(request.method) ? request.method : '_OTHER'
      const { elapsedTime } = reply
      httpRequestDuration.observe(
        { http_request_method: method, http_route: route, http_response_status_code: status },
        elapsedTime / 1000,
      )
      const level = isOperational(route) ? 'debug' : 'info'
      const duration_ms = Math.round(elapsedTime * 100) / 100
      requests[level](
        { request_id: request.id, method: request.method, route, status, duration_ms },
        'request',
      )
    })
}

/** The request id in the context and in the answer, and every request in log and metrics. */
const followRequests = (
  app: FastifyInstance,
  { logger, metrics }: HttpServerOptions,
  headers: Readonly<Record<string, string>>,
) => {
  const fixedHeaders = { ...securityHeaders, ...headers }
  const record = requestRecorder(logger, metrics)
  app.addHook('onRequest', (request, reply, done) => {
    metrics.httpActiveRequests.inc()
    reply.raw.on('close', () => {
      metrics.httpActiveRequests.dec()
      // For then onResponse does not come.
      if (!reply.raw.writableEnded) record(request, reply, clientClosedRequest)
    })
    void reply.headers(fixedHeaders).header(requestIdHeader, request.id)
    // We unpack nothing, so a packed body is of a type that we do not know.
    if ((request.headers['content-encoding'] ?? 'identity') === 'identity') done()
    else void sendStatus(415, request, reply)
  })
  // The body has been read by now: from here on nothing leaves the asynchronous context.
  app.addHook('preHandler', (request, _reply, done) => {
    requestContext.run({ requestId: request.id }, done)
  })
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply, reply.statusCode)
    done()
  })
}
