import type { Server, ServerOptions } from 'node:http'
import { type FastifyBaseLogger, type FastifyHttpOptions, LogController } from 'fastify'
import { requestIdFrom, requestIdHeader } from '../../request-context.ts'
import type { Tls } from '../../tls/open-tls.ts'
import { maxRequestBytes } from '../../transports.ts'
import { sendError } from '../errors.ts'
import { schemaController } from '../json/schema-compilers.ts'
import { hasSecret, type IsSecretSegment } from '../paths/secret-segments.ts'
import { connectionErrorHandler } from './connection-errors.ts'
import { maxSegmentLength, routableTarget } from './request-target.ts'
import type { TrustedPeers } from './trusted-peers.ts'

/**
 * Returns a logger whose child, which Fastify creates at start, is its own child: Fastify asks it for one for every request, and
 * every line has the request id anyway. A `childLoggerFactory` could do the same, but Fastify checks its result: 0.4 µs per request.
 */
const sharedByRequests = (logger: FastifyBaseLogger): FastifyBaseLogger => {
  const child: FastifyBaseLogger['child'] = (bindings, options) => {
    const shared: FastifyBaseLogger = Object.create(logger.child(bindings, options), {
      child: { value: () => shared },
    })
    return shared
  }
  return Object.create(logger, { child: { value: child } })
}

type Options = Readonly<{
  maxBodyBytes?: number
  isSecretSegment?: IsSecretSegment | undefined
  tls?: Tls | undefined
}>

const nodeOptions: ServerOptions = {
  // Catches slow-loris clients within a second; Node.js checks every 30 s by default.
  headersTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  // Node.js would refuse the request without a problem; `refuseRequests` does.
  requireHostHeader: false,
}

/** With `https`, Fastify creates a server that ends TLS, and is used in the same way. */
const serverOptions = (tls: Tls | undefined): Pick<FastifyHttpOptions<Server>, 'http'> => {
  if (tls === undefined) return { http: nodeOptions }
  return { https: { ...nodeOptions, ...tls.options() } } as Pick<FastifyHttpOptions<Server>, 'http'>
}

/** The options of the HTTP server: its limits, and who responds to requests that reach no route. */
export const fastifyOptions = (
  logger: FastifyBaseLogger,
  { maxBodyBytes = maxRequestBytes, isSecretSegment: isSecret, tls }: Options,
  fixedHeaders: Readonly<Record<string, string>>,
  isTrusted: TrustedPeers,
): FastifyHttpOptions<Server> => ({
  loggerInstance: sharedByRequests(logger),
  logController: new LogController({ disableRequestLogging: true }),
  requestIdHeader: false,
  genReqId: ({ headers, socket }) => {
    const sent = isTrusted(socket) ? headers[requestIdHeader] : undefined
    const isHidden = isSecret !== undefined && typeof sent === 'string' && hasSecret(sent, isSecret)
    return requestIdFrom(isHidden ? undefined : sent)
  },
  bodyLimit: maxBodyBytes,
  schemaController,
  ...serverOptions(tls),
  requestTimeout: 15_000,
  keepAliveTimeout: 72_000,
  // Accepted requests are served even while the server is closing.
  return503OnClosing: false,
  routerOptions: { maxParamLength: maxSegmentLength, ignoreTrailingSlash: true },
  rewriteUrl: routableTarget,
  frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
  clientErrorHandler: connectionErrorHandler(fixedHeaders),
})
