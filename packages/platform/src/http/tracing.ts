import type { Context, Span } from '@opentelemetry/api'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  context,
  isTracing,
  propagation,
  ROOT_CONTEXT,
  recordErrorType,
  startRequest,
  trace,
} from '../tracing/api.ts'
import type { TrustedPeers } from './edge/trusted-peers.ts'
import { isOperational } from './operations/is-operational.ts'
import type { UnmatchedPath } from './paths/unmatched-path.ts'

const contexts = new WeakMap<FastifyRequest, Context>()

/** Runs `step` in the trace of the request, if it has one. */
export const inTraceOf = <Result>(request: FastifyRequest, step: () => Result): Result => {
  const traceContext = contexts.get(request)
  return traceContext === undefined ? step() : context.with(traceContext, step)
}

/** Records the code of the request's problem in its span. */
export const recordProblem = (
  request: FastifyRequest,
  { code, status }: Readonly<{ code: string; status: number }>,
): void => {
  const traceContext = contexts.get(request)
  if (traceContext !== undefined) recordErrorType(trace.getSpan(traceContext), code, status >= 500)
}

/**
 * Contains no personal data: a path may contain a user id, so `url.path` is only there without a route; an address or a user
 * agent may identify a person.
 */
const attributesOf = (request: FastifyRequest, unmatchedPath: UnmatchedPath) => {
  const { id, method, protocol, routeOptions } = request
  const path = unmatchedPath(request)
  return {
    'http.request.method': method,
    'url.scheme': protocol,
    request_id: id,
    ...(routeOptions.url !== undefined && { 'http.route': routeOptions.url }),
    ...(path !== undefined && { 'url.path': path }),
  }
}

const endWithResponse = (span: Span, { raw }: FastifyReply, abandonedStatus: number): void => {
  // `writableEnded` is already true while the last bytes wait for a slow client, who may still leave.
  let isSent = false
  raw.once('finish', () => {
    isSent = true
  })
  raw.once('close', () => {
    span.setAttribute('http.response.status_code', isSent ? raw.statusCode : abandonedStatus)
    span.end()
  })
}

/**
 * Gives every request a span, from its head to the end of its response. The span belongs to the trace of a trusted
 * caller if the request names one. Requests of monitoring get no span.
 */
export const traceRequests = (
  app: FastifyInstance,
  abandonedStatus: number,
  { isTrusted, unmatchedPath }: Readonly<{ isTrusted: TrustedPeers; unmatchedPath: UnmatchedPath }>,
): void => {
  if (!isTracing()) return
  app.addHook('onRequest', (request, reply, done) => {
    const { method, headers, routeOptions, raw } = request
    if (isOperational(routeOptions.url)) return done()
    const caller = { trace: propagation.extract(ROOT_CONTEXT, headers), isTrusted: isTrusted(raw.socket) }
    const name = routeOptions.url === undefined ? method : `${method} ${routeOptions.url}`
    const started = startRequest(name, attributesOf(request, unmatchedPath), caller)
    if (started === undefined) return done()
    endWithResponse(started.span, reply, abandonedStatus)
    contexts.set(request, started.within)
    context.with(started.within, done)
  })
}
