import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requestIdFrom, requestIdHeader } from '../request-context.ts'
import { isAbandoned } from './context.ts'
import { type Problem, problemMediaType, problemOf, problemOfStatus } from './problem.ts'
import { recordProblem } from './tracing.ts'

/** How long a caller waits before asking again, in seconds: about what a restart takes. */
const retryAfterSeconds = 1

const where = (request: FastifyRequest) => ({
  instance: request.url.split('?', 1)[0] ?? '/',
  requestId: request.id,
})

const send = (reply: FastifyReply, problem: Problem) => {
  recordProblem(reply.request, problem)
  if (problem.status === 503 || problem.status === 429) void reply.header('retry-after', retryAfterSeconds)
  return reply
    .code(problem.status)
    .header(requestIdHeader, problem.request_id)
    .type(problemMediaType)
    .send(problem)
}

/** The status of an error by which Fastify refuses a request: 4xx. */
const refusalStatus = (error: unknown): number | undefined => {
  if (!(error instanceof Error) || !('statusCode' in error && 'code' in error)) return undefined
  if (!String(error.code).startsWith('FST_')) return undefined
  const status = Number(error.statusCode)
  return status >= 400 && status < 500 ? status : undefined
}

/** Answers with the problem of the error; what is our fault is logged, once, with its cause. */
export const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
  const refusal = refusalStatus(error)
  if (refusal !== undefined) return sendStatus(refusal, request, reply)
  const problem = problemOf(error, where(request))
  const route = request.routeOptions.url
  // A caller who has gone is no fault of ours.
  if (problem.status >= 500 && !isAbandoned(request))
    request.log.error({ request_id: request.id, route, err: error }, 'request failed')
  return send(reply, problem)
}

/** Answers with the problem that a status of HTTP's own stands for. */
export const sendStatus = (status: number, request: FastifyRequest, reply: FastifyReply) =>
  send(reply, problemOfStatus(status, where(request)))

/** Every error, and every unknown path, is answered as a problem. */
export const handleErrors = (app: FastifyInstance): void => {
  app.setErrorHandler(sendError)
  app.setNotFoundHandler((request, reply) => sendStatus(404, request, reply))
}

/** Answers what is not even HTTP, or comes too slowly: there is no request to speak of, only the connection. */
export const sendConnectionError = (error: ConnectionError, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const statuses: Record<string, number> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }
  const status = statuses[error.code] ?? 400
  const problem = problemOfStatus(status, { instance: '/', requestId: requestIdFrom(undefined) })
  const body = JSON.stringify(problem)
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${problemMediaType}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n${requestIdHeader}: ${problem.request_id}\r\nConnection: close\r\n\r\n${body}`,
    )
  socket.destroy(error)
}
