import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isOperational } from '../health/operation-routes.ts'
import { type Logger, withoutRedaction } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { requestContext, requestIdHeader } from '../request-context.ts'
import { decorateWithContext, isAbandoned, makeContext } from './context.ts'
import { sendStatus } from './errors.ts'
import { methods } from './methods.ts'
import { securityHeaders } from './security-headers.ts'
import { inTraceOf } from './tracing.ts'

/** Recorded if the caller disconnects before the response. Not in RFC 9110, but used by proxies. */
export const clientClosedRequest = 499

const knownMethods = new Set([...methods, 'OPTIONS'])

/** Records one log line and one measurement per request, once the response is sent or the caller disconnects. */
const requestRecorder = (logger: Logger, { httpRequestDuration }: Metrics) => {
  const requests = withoutRedaction(logger)
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

/** Puts the request id into the context and the response, and records every request in the log and metrics. */
export const recordRequests = (
  app: FastifyInstance,
  { logger, metrics }: Readonly<{ logger: Logger; metrics: Metrics }>,
  headers: Readonly<Record<string, string>>,
) => {
  const fixedHeaders = { ...securityHeaders, ...headers }
  const record = requestRecorder(logger, metrics)
  app.addHook('onRequest', (request, reply, done) => {
    metrics.httpActiveRequests.inc()
    reply.raw.on('close', () => {
      metrics.httpActiveRequests.dec()
      // In this case Fastify does not call onResponse.
      if (!reply.raw.writableEnded) record(request, reply, clientClosedRequest)
    })
    void reply.headers(fixedHeaders).header(requestIdHeader, request.id)
    // Compressed bodies are not supported, and count as an unsupported media type.
    if ((request.headers['content-encoding'] ?? 'identity') === 'identity') done()
    else void sendStatus(415, request, reply)
  })
  // The body has been read by now, so from here on the asynchronous context is kept.
  decorateWithContext(app)
  app.addHook('preHandler', (request, reply, done) => {
    requestContext.run(makeContext(request, reply), done)
  })
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply, isAbandoned(request) ? clientClosedRequest : reply.statusCode)
    done()
  })
}
