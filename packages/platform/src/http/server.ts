import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import type { Identity } from '../auth/identity.ts'
import type { Health } from '../health/health.ts'
import { createLimits, defaultLimits, type Limits } from '../limits/limits.ts'
import type { RequestRates } from '../limits/rates/request-rates.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Tls } from '../tls/open-tls.ts'
import { decorateWithChallenge } from './auth/challenge.ts'
import { serveResourceMetadata } from './auth/protected-resource.ts'
import { type Origins, registerCors, registerPreflights } from './cors.ts'
import { serveDocumentation } from './documentation/routes.ts'
import { drainOnClose } from './drain.ts'
import { rememberBodies } from './edge/connection-errors.ts'
import { limitConnections } from './edge/connection-limit.ts'
import { fastifyOptions } from './edge/fastify-options.ts'
import { createListeners } from './edge/listeners.ts'
import { headCheck } from './edge/local-names.ts'
import { receiveAllRequests } from './edge/node-events.ts'
import { refusePaths, refuseRequests } from './edge/refusals.ts'
import { type TrustedPeers, trustedPeers } from './edge/trusted-peers.ts'
import { handleErrors } from './errors.ts'
import { identifyCallers } from './identify.ts'
import { acceptJson } from './json-bodies.ts'
import { shedLoad } from './load-shedding.ts'
import { respondMethodNotAllowed } from './methods.ts'
import type { Documentation } from './openapi.ts'
import { livenessRoute, operationRoutes } from './operations/operation-routes.ts'
import type { IsSecretSegment } from './paths/secret-segments.ts'
import { collectRoutes } from './paths/unmatched-path.ts'
import { type ProblemMembers, problemSchema } from './problem.ts'
import { limitClients } from './rates/limit-clients.ts'
import { type GuestOf, limitRates } from './rates/rate-limits.ts'
import { clientClosedRequest, recordRequests } from './request-log.ts'
import { setCacheControl } from './responses/cache-control.ts'
import { compressResponses } from './responses/compression.ts'
import { fixedHeadersOf } from './responses/security-headers.ts'
import { traceRequests } from './tracing.ts'

/** Settings for documentation, compression, browsers and limits. */
export type HttpConfig = Readonly<{
  /** Whether to serve /docs and /openapi.json, and to lead there from /. */
  docs: boolean
  /** The URL of the related service's documentation. */
  relatedDocs?: string | undefined
  /** Whether to compress responses for clients that accept it. */
  compression: boolean
  corsOrigins: Origins
  /** The networks whose peers may choose the ids of requests and traces, as in `networkMatcher`. */
  trustProxy: string
  /** Requests are rejected while the average event loop delay exceeds this; 0 disables the limit. */
  maxEventLoopDelayMs: number
  /** For how long browsers use only HTTPS (HSTS); 0 sends no such header. */
  hstsMaxAgeSeconds: number
  /** Refuse requests whose `Host` is not a local name, against DNS rebinding. */
  localNamesOnly: boolean
  /** The port of `/metrics`, `/health` and `/health/ready`, which this server then does not have. See `createHttpServers`. */
  operationsPort?: number | undefined
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
  /** What the clients of the process share; those of its own if they are not given. */
  limits?: Limits | undefined
  /** How callers are known. Without it, all callers may do everything. */
  identity?: Pick<Identity, 'identify' | 'issuer' | 'audience'> | undefined
  /** How much each caller may use. Without it, no caller is limited. */
  rates?: RequestRates | undefined
  guestOf?: GuestOf | undefined
  /** Whether a decoded segment of a path is a secret: masked in problems, logs and traces, and replaced in request ids. */
  isSecretSegment?: IsSecretSegment | undefined
  /** Ends TLS. Without it, the server speaks plain HTTP. */
  tls?: Tls | undefined
  config?: Partial<HttpConfig> | undefined
}>

const defaults = {
  docs: true,
  compression: true,
  corsOrigins: '*',
  trustProxy: 'off',
  maxEventLoopDelayMs: 0,
  hstsMaxAgeSeconds: 0,
  localNamesOnly: false,
}

const registerRoutes = async (
  app: FastifyInstance,
  options: HttpServerOptions,
  { docs: hasDocs, relatedDocs, operationsPort }: HttpConfig,
  isTrusted: TrustedPeers,
): Promise<void> => {
  if (hasDocs) serveDocumentation(app, options, relatedDocs)
  serveResourceMetadata(app, options, { hasDocs, isTrusted })
  await app.register(operationsPort === undefined ? operationRoutes(options) : livenessRoute)
  await app.register(options.routes)
}

/**
 * Creates an HTTP server with everything that services share, such as errors, limits, documentation, health
 * and metrics. `isOverloaded` returns whether requests are being rejected because of overload.
 */
export const createHttpServer = async (options: HttpServerOptions) => {
  const config = { ...defaults, ...options.config }
  const fixedHeaders = fixedHeadersOf(config)
  const isTrusted = trustedPeers(config.trustProxy)
  const app: FastifyInstance = Fastify(fastifyOptions(options.logger, options, fixedHeaders, isTrusted))
  decorateWithChallenge(app, options, isTrusted)
  const limits = options.limits ?? createLimits(defaultLimits, config.trustProxy, options.metrics)
  const checkHead = headCheck(config.localNamesOnly)
  receiveAllRequests(app, checkHead)
  handleErrors(app, options.isSecretSegment)
  app.removeAllContentTypeParsers()
  acceptJson(app, 'application/json')
  const unmatchedPath = collectRoutes(app)
  traceRequests(app, clientClosedRequest, { isTrusted, unmatchedPath })
  recordRequests(app, { ...options, unmatchedPath }, fixedHeaders)
  setCacheControl(app)
  if (config.compression) compressResponses(app)
  limitClients(app, limits, options.metrics)
  rememberBodies(app)
  const acceptFailed = limitConnections(app, limits, options.logger)
  // Before all hooks that may refuse a request: pages may read their problems, too.
  await registerCors(app, config.corsOrigins)
  refuseRequests(app, checkHead)
  const isOverloaded = shedLoad(app, config.maxEventLoopDelayMs)
  const drain = drainOnClose(app, options.health)
  identifyCallers(app, options.identity?.identify)
  limitRates(app, options)
  refusePaths(app)
  const addOtherMethods = respondMethodNotAllowed(app)
  for (const schema of [problemSchema(options.problemMembers), ...options.schemas]) app.addSchema(schema)
  await registerRoutes(app, options, config, isTrusted)
  await registerPreflights(app, config.corsOrigins, addOtherMethods)
  const { findClient } = limits
  const listeners = createListeners(app, { acceptFailed, findClient, tls: options.tls })
  return { app, ...listeners, ...drain, isOverloaded }
}
