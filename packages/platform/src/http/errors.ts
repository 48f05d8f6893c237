import { AppError } from '@shop/kernel/errors.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requestIdHeader } from '../request-context.ts'
import { retryAfterSeconds } from '../transports.ts'
import { challengeOf } from './auth/challenge.ts'
import { isAbandoned } from './context.ts'
import { acceptHeader, mediaTypesOf } from './edge/media-types.ts'
import { shownPath } from './paths/secret-segments.ts'
import { type Problem, problemMediaType, problemOf, problemOfStatus } from './problem.ts'
import { recordProblem } from './tracing.ts'

const infoOf = (request: FastifyRequest) => ({
  instance: shownPath(request),
  requestId: request.id,
  maxBodyBytes: request.routeOptions.bodyLimit,
  mediaTypes: mediaTypesOf(request.server),
})

const send = (reply: FastifyReply, problem: Problem, retryAfter = retryAfterSeconds) => {
  recordProblem(reply.request, problem)
  if (problem.status === 503 || problem.status === 429) void reply.header('retry-after', retryAfter)
  const challenge = challengeOf(problem, reply.request)
  if (challenge !== undefined) void reply.header('www-authenticate', challenge)
  return reply
    .code(problem.status)
    .header(requestIdHeader, problem.request_id)
    .type(problemMediaType)
    .send(problem)
}

/** The 4xx status with which Fastify, or its plugin for static files, rejects a request; undefined for any other error. */
const rejectionStatus = (error: unknown): number | undefined => {
  if (!(error instanceof Error && 'statusCode' in error)) return undefined
  const isOfFastify = 'code' in error && String(error.code).startsWith('FST_')
  const isOfStaticFiles = 'expose' in error && error.expose === true
  if (!isOfFastify && !isOfStaticFiles) return undefined
  const status = Number(error.statusCode)
  return status >= 400 && status < 500 ? status : undefined
}

/** The errors of requests that failed by a fault of the server, for their log lines. */
const faults = new WeakMap<FastifyRequest, Readonly<{ error: unknown }>>()

/** The error with which the request failed; undefined if it did not fail by a fault of the server. */
export const faultOf = (request: FastifyRequest): Readonly<{ error: unknown }> | undefined =>
  faults.get(request)

/** Responds with the problem for an HTTP status; `detail` replaces the usual text. */
export const sendStatus = (
  status: number,
  request: FastifyRequest,
  reply: FastifyReply,
  detail?: string,
): FastifyReply => {
  const problem = problemOfStatus(status, infoOf(request))
  return send(reply, detail === undefined ? problem : { ...problem, detail })
}

/** Responds with 415, and tells the client the media types that the route accepts. */
const sendUnsupportedMediaType = (request: FastifyRequest, reply: FastifyReply) =>
  sendStatus(415, request, reply.headers(acceptHeader(request.method, mediaTypesOf(request.server))))

/** Responds with the problem for the error. Remembers a fault of the server, to be logged with the request. */
export const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
  const rejection = rejectionStatus(error)
  if (rejection === 415) return sendUnsupportedMediaType(request, reply)
  if (rejection !== undefined) return sendStatus(rejection, request, reply)
  const problem = problemOf(error, infoOf(request))
  // A disconnected caller is not a server fault.
  if (problem.status >= 500 && !isAbandoned(request)) faults.set(request, { error })
  return send(reply, problem, error instanceof AppError ? error.retryAfterSeconds : undefined)
}

/** Responds to every error and every unknown path with a problem. */
export const handleErrors = (app: FastifyInstance): void => {
  app.setErrorHandler(sendError)
  app.setNotFoundHandler((request, reply) => sendStatus(404, request, reply))
}
