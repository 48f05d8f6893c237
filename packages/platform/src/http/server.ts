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
import { type Documentation, documentApi } from './openapi.ts'
import { type ProblemMembers, problemSchema } from './problem.ts'
import { clientClosedRequest, recordRequests } from './request-log.ts'
import { setCacheControl } from './responses/cache-control.ts'
import { compressResponses } from './responses/compression.ts'
import { traceRequests } from './tracing.ts'
import { validateStrictly } from './validation.ts'

/** More connections would use up the file descriptors that the stores need. */
const maxConnections = 10_000

/** Settings for documentation, compression, CORS and load shedding. */
export type HttpConfig = Readonly<{
  /** Whether to serve /docs and /openapi.json. */
  docs: boolean
  /** Whether to compress responses for clients that accept it. */
  compression: boolean
  corsOrigins: Origins
  /** Requests are rejected while the average event loop delay exceeds this; 0 disables the limit. */
  maxEventLoopDelayMs: number
}>

export type HttpServerOptions = Readonly<{
  documentation: Documentation
  version: string
  /** Schemas that routes refer to by their `$id`. */
  schemas: readonly TSchema[]
  problemMembers?: ProblemMembers
  /** The maximum size of a body. */
  maxBodyBytes?: number
  routes: FastifyPluginAsyncTypebox
  logger: Logger
  metrics: Metrics
  health: Health
  config?: Partial<HttpConfig> | undefined
}>

const defaults: HttpConfig = { docs: true, compression: true, corsOrigins: '*', maxEventLoopDelayMs: 0 }

const fastifyOptions = (
  loggerInstance: FastifyBaseLogger,
  { maxBodyBytes = maxRequestBytes }: Pick<HttpServerOptions, 'maxBodyBytes'>,
): FastifyHttpOptions<Server> => ({
  loggerInstance,
  // The logger itself adds the request id to every line; a child logger per request would repeat it.
  childLoggerFactory: (logger) => logger,
  logController: new LogController({ disableRequestLogging: true }),
  requestIdHeader: false,
  genReqId: ({ headers }) => requestIdFrom(headers[requestIdHeader]),
  bodyLimit: maxBodyBytes,
  // Catches slow-loris clients within a second; Node.js checks every 30 s by default.
  http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
  requestTimeout: 15_000,
  keepAliveTimeout: 72_000,
  // Accepted requests are served even while the server is closing.
  return503OnClosing: false,
  routerOptions: { maxParamLength: 2_048, ignoreTrailingSlash: true },
  frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
  clientErrorHandler: sendConnectionError,
})

/**
 * Creates an HTTP server with everything that services share, such as errors, limits, documentation, health
 * and metrics. `isOverloaded` returns whether requests are being rejected because of overload.
 */
export const createHttpServer = async (options: HttpServerOptions) => {
  const config = { ...defaults, ...options.config }
  const app: FastifyInstance = Fastify(fastifyOptions(options.logger, options))
  app.server.maxConnections = maxConnections
  // A client that closes its side after sending still gets its response. By default, Node.js closes the
  // connection.
  Object.assign(app.server, { httpAllowHalfOpen: true })
  handleErrors(app)
  app.removeAllContentTypeParsers()
  acceptJson(app, 'application/json')
  validateStrictly(app)
  traceRequests(app, clientClosedRequest)
  recordRequests(app, options, {
    ...corsHeaders(config.corsOrigins),
    ...(config.compression && { vary: 'Accept-Encoding' }),
  })
  setCacheControl(app)
  if (config.compression) compressResponses(app)
  const isOverloaded = await shedLoad(app, config.maxEventLoopDelayMs)
  const drain = drainOnClose(app, options.health)
  rejectTrailingSlashDelete(app)
  const rejectOtherMethods = respondMethodNotAllowed(app)
  for (const schema of [problemSchema(options.problemMembers), ...options.schemas]) app.addSchema(schema)

  await registerCors(app, config.corsOrigins)
  if (config.docs) await documentApi(app, { ...options.documentation, version: options.version })
  await app.register(operationRoutes(options))
  await app.register(options.routes)
  rejectOtherMethods()
  return { app, ...drain, isOverloaded }
}
