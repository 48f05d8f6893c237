import type { Server } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyInstance,
  LogController,
} from 'fastify'
import type { TSchema } from 'typebox'
import type { Health } from '../health/health.ts'
import { operationRoutes } from '../health/operation-routes.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { requestIdFrom, requestIdHeader } from '../request-context.ts'
import { maxRequestBytes } from '../transports.ts'
import { corsHeaders, type Origins, registerCors } from './cors.ts'
import { drainOnClose } from './drain.ts'
import { handleErrors, sendConnectionError, sendError } from './errors.ts'
import { acceptJson } from './json-bodies.ts'
import { shedLoad } from './load-shedding.ts'
import { rejectTrailingSlashDelete, respondMethodNotAllowed } from './methods.ts'
import { documentApi } from './openapi.ts'
import { type ProblemMembers, problemSchema } from './problem.ts'
import { clientClosedRequest, recordRequests } from './request-log.ts'
import { traceRequests } from './tracing.ts'
import { validateStrictly } from './validation.ts'

/** More would use up the file descriptors that are for the stores. */
const maxConnections = 10_000

/** How much of itself the server shows to whom, and when it refuses requests because it has too many. */
export type HttpConfig = Readonly<{
  /** Whether /docs and /openapi.json are there. */
  docs: boolean
  corsOrigins: Origins
  /** Requests are refused while the event loop is later than this, on average; 0 for never. */
  maxEventLoopDelayMs: number
}>

export type HttpServerOptions = Readonly<{
  title: string
  version: string
  /** Schemas with an `$id`, which routes refer to by it. */
  schemas: readonly TSchema[]
  /** What the service's own errors tell besides their message. */
  problemMembers?: ProblemMembers
  routes: FastifyPluginAsyncTypebox
  logger: Logger
  metrics: Metrics
  health: Health
  config?: Partial<HttpConfig> | undefined
}>

const defaults: HttpConfig = { docs: true, corsOrigins: '*', maxEventLoopDelayMs: 0 }

const fastifyOptions = (loggerInstance: FastifyBaseLogger): FastifyHttpOptions<Server> => ({
  loggerInstance,
  // The request id is in every line by the logger's own means: a child logger for each request would repeat it.
  childLoggerFactory: (logger) => logger,
  logController: new LogController({ disableRequestLogging: true }),
  requestIdHeader: false,
  genReqId: ({ headers }) => requestIdFrom(headers[requestIdHeader]),
  bodyLimit: maxRequestBytes,
  // Catches slow-loris clients within a second; Node.js checks every 30 s by default.
  http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
  requestTimeout: 15_000,
  keepAliveTimeout: 72_000,
  // What was accepted is served, also while stopping.
  return503OnClosing: false,
  routerOptions: { maxParamLength: 2_048, ignoreTrailingSlash: true },
  frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
  clientErrorHandler: sendConnectionError,
})

/**
 * An HTTP server with what every service has: errors, limits, documentation, health and metrics. `isOverloaded` tells whether
 * requests are refused at the moment because there are too many.
 */
export const createHttpServer = async (options: HttpServerOptions) => {
  const config = { ...defaults, ...options.config }
  const app: FastifyInstance = Fastify(fastifyOptions(options.logger))
  app.server.maxConnections = maxConnections
  // A client that has said all and waits is answered. Node.js would close the connection.
  Object.assign(app.server, { httpAllowHalfOpen: true })
  handleErrors(app)
  app.removeAllContentTypeParsers()
  acceptJson(app, 'application/json')
  validateStrictly(app)
  traceRequests(app, clientClosedRequest)
  recordRequests(app, options, corsHeaders(config.corsOrigins))
  const isOverloaded = await shedLoad(app, config.maxEventLoopDelayMs)
  const beginDrain = drainOnClose(app, options.health)
  rejectTrailingSlashDelete(app)
  const refuseOtherMethods = respondMethodNotAllowed(app)
  for (const schema of [problemSchema(options.problemMembers), ...options.schemas]) app.addSchema(schema)

  await registerCors(app, config.corsOrigins)
  if (config.docs) await documentApi(app, options)
  await app.register(operationRoutes(options))
  await app.register(options.routes)
  refuseOtherMethods()
  return { app, beginDrain, isOverloaded }
}
