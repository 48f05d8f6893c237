import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { createFailureLog, type FailureLog } from '../logging/failure-log.ts'
import { type Logger, withoutRedaction } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { parseRequestId, requestContext, requestIdHeader } from '../request-context.ts'
import { decorateWithContext, endContext, isAbandoned, makeContext } from './context.ts'
import type { UnmatchedPath } from './edge/unmatched-path.ts'
import { faultOf } from './errors.ts'
import { serverMethods } from './methods.ts'
import { isOperational } from './operations/operation-routes.ts'
import { inTraceOf } from './tracing.ts'

/**
 * The status that is recorded if the caller disconnects before the response is complete. It is not in RFC
 * 9110, but proxies use it too.
 */
export const clientClosedRequest = 499

const knownMethods = new Set(serverMethods)

/**
 * The id that the client sent, if the request has another one because the client is not trusted. Only the line of the
 * request has it, in a field of its own: whoever looks for an id must not find lines that a stranger wrote under it.
 */
const clientRequestId = ({ id, headers }: FastifyRequest): string | undefined => {
  const sent = headers[requestIdHeader]
  const clientId = typeof sent === 'string' ? parseRequestId(sent) : undefined
  return clientId === id ? undefined : clientId
}

const isRecorded = Symbol('recorded')

declare module 'fastify' {
  interface FastifyRequest {
    [isRecorded]: boolean
  }
}

type Recording = Readonly<{ logger: Logger; metrics: Metrics; unmatchedPath: UnmatchedPath }>

/**
 * Returns a function that records one log line and one measurement for a finished or abandoned request. A
 * failed request also goes to the failure log.
 */
const requestRecorder = (
  { logger, metrics: { httpRequestDuration }, unmatchedPath }: Recording,
  failures: FailureLog,
) => {
  const requestLogger = withoutRedaction(logger)
  return (request: FastifyRequest, reply: FastifyReply, status: number) =>
    inTraceOf(request, () => {
      request[isRecorded] = true
      const { url = '*' } = request.routeOptions
      const route = url === '*' ? 'unmatched' : url
      const method = knownMethods.has(request.method) ? request.method : '_OTHER'
      const { elapsedTime } = reply
      httpRequestDuration.observe(
        { http_request_method: method, http_route: route, http_response_status_code: status },
        elapsedTime / 1000,
      )
      const level = isOperational(route) ? 'debug' : 'info'
      const duration_ms = Math.round(elapsedTime * 100) / 100
      const fault = faultOf(request)
      const cause = fault && failures.record(fault.error, { request_id: request.id, route })
      requestLogger[level](
        {
          request_id: request.id,
          client_request_id: clientRequestId(request),
          method: request.method,
          route,
          path: unmatchedPath(request),
          status,
          duration_ms,
          cause,
        },
        'request',
      )
    })
}

/**
 * Gives every request its context, sets the request id and the fixed headers of its response, and records every
 * request in the log and the metrics.
 */
export const recordRequests = (
  app: FastifyInstance,
  recording: Recording,
  fixedHeaders: Readonly<Record<string, string>>,
) => {
  const { logger, metrics } = recording
  const failures = createFailureLog(logger, 'request failed')
  app.addHook('onClose', async () => failures.close())
  const record = requestRecorder(recording, failures)
  app.addHook('onRequest', (request, reply, done) => {
    metrics.httpActiveRequests.inc()
    // The only listener of ours for each response: a second and a third one took 0.5 µs.
    reply.raw.once('close', () => {
      metrics.httpActiveRequests.dec()
      endContext(request)
      // If the connection closes before the response is complete, Fastify does not call onResponse.
      if (!request[isRecorded]) record(request, reply, clientClosedRequest)
    })
    void reply.headers(fixedHeaders).header(requestIdHeader, request.id)
    done()
  })
  decorateWithContext(app)
  app.decorateRequest(isRecorded, false)
  // Not in `onRequest`: reading the body would lose the asynchronous context.
  app.addHook('preHandler', (request, _reply, done) => {
    requestContext.run(makeContext(request), done)
  })
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply, isAbandoned(request) ? clientClosedRequest : reply.statusCode)
    done()
  })
}
