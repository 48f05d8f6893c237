import { type OutgoingHttpHeaders, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requestIdFrom, requestIdHeader } from '../../request-context.ts'
import { sendStatus } from '../errors.ts'
import { problemMediaType, problemOfStatus } from '../problem.ts'

type Exchange = Readonly<{ request: FastifyRequest; reply: FastifyReply }>

/**
 * The last request of each connection whose body is incomplete. A kept connection must not keep the parsed body: 240 KB of
 * `[],[],…` take 2 MB, so 180 connections ended a process with a heap of 256 MB.
 */
const exchanges = new WeakMap<Socket, Exchange>()

/** Remembers requests with a body, whose rest may turn out not to be HTTP or may not arrive in time. */
export const rememberBodies = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, raw } = request
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
      const exchange = { request, reply }
      exchanges.set(raw.socket, exchange)
      raw.once('end', () => {
        if (exchanges.get(raw.socket) === exchange) exchanges.delete(raw.socket)
      })
    }
    done()
  })
}

/** Connections whose input cannot be parsed any more. Each further piece of input is an error, too. */
const failed = new WeakSet<Socket>()

/** The response that is being sent. It is an undocumented property of Node.js. */
export const pendingResponse = (socket: Socket): ServerResponse | undefined => {
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse ? response : undefined
}

/** Runs `send` when the responses to all earlier requests of the connection have been sent. */
export const afterResponses = (socket: Socket, send: () => void): void => {
  const response = pendingResponse(socket)
  if (response === undefined) send()
  // The listener of Node.js comes first, and has assigned the next response by then.
  else response.once('finish', () => afterResponses(socket, send))
}

const statuses: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
}

const serialize = (status: number, headers: OutgoingHttpHeaders): string => {
  const problem = problemOfStatus(status, { instance: '/', requestId: requestIdFrom(undefined) })
  const body = JSON.stringify(problem)
  const lines = Object.entries({
    ...headers,
    'cache-control': 'no-store',
    'content-type': problemMediaType,
    'content-length': Buffer.byteLength(body),
    [requestIdHeader]: problem.request_id,
    connection: 'close',
  }).map(([name, value]) => `${name}: ${String(value)}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}

/**
 * Responds to input that is not HTTP or arrives too slowly, and closes the connection. If the head of the request
 * has been received, the request gets the response; otherwise there is only a connection.
 */
export const connectionErrorHandler =
  (headers: OutgoingHttpHeaders) =>
  (error: ConnectionError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || failed.has(socket)) return
    // What is written after an error of TLS is never sent, and would keep the connection open.
    if (error.code?.startsWith('ERR_SSL_')) return void socket.destroy()
    failed.add(socket)
    const status = statuses[error.code] ?? 400
    const { request, reply } = exchanges.get(socket) ?? {}
    if (request === undefined || reply === undefined || request.raw.complete)
      return afterResponses(socket, () => {
        if (socket.writable) socket.write(serialize(status, headers))
        socket.destroySoon()
      })
    if (reply.sent) return socket.destroySoon()
    void sendStatus(status, request, reply.header('connection', 'close'))
    // Fastify reports the incomplete body, too, and would log that a response has already been sent.
    Object.assign(reply, { send: () => reply })
  }
