import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../limits/limits.ts'
import { clientOf } from '../edge/client.ts'
import { routeOf } from '../edge/route.ts'
import { sendError } from '../errors.ts'
import { isOperational } from '../operations/is-operational.ts'
import { responseHolder } from './response-holder.ts'

/**
 * Responses up to this size are always sent, and are not counted: errors, single resources, health. A connection sends
 * one at a time, and the kernel takes nearly always all of it at once. Requests that are pipelined behind it are counted.
 */
const smallBytes = 16 * 1024

/** A pipelined request and its small response take 9 KiB without their text, measured. */
const pipelinedBytes = smallBytes

/** A stream that waits has filled its own buffer and that of its response. */
const streamBytes = 128 * 1024

/** The state of the compressor adds 0.9 (gzip) to 1.2 MiB (brotli), measured. */
const compressedStreamBytes = 1024 * 1024

const sizeOf = (payload: unknown, reply: FastifyReply): number => {
  // A string of n UTF-16 units has at most 3n bytes.
  if (typeof payload === 'string')
    return payload.length <= smallBytes / 3 ? payload.length : Buffer.byteLength(payload)
  if (Buffer.isBuffer(payload)) return payload.length
  if (!(payload instanceof Readable)) return 0
  if (reply.hasHeader('content-encoding')) return compressedStreamBytes
  return Math.min(streamBytes, Number(reply.getHeader('content-length') ?? streamBytes))
}

/** A write has been done, the caller must learn of an error, and monitoring must work when nothing else does. */
const mustBeSent = (request: FastifyRequest, { statusCode }: FastifyReply): boolean =>
  request.method !== 'GET' || statusCode >= 400 || isOperational(routeOf(request).url)

/** What describes the response that is replaced by a problem. */
const headersOfContent = ['etag', 'last-modified', 'accept-ranges', 'content-range', 'content-encoding']

/**
 * Bounds the bytes of responses that clients do not take, of all clients and of each
 * (docs/decisions/0049-unread-responses.md). A response counts from sending until the kernel has taken it or its
 * connection is closed. Further ones are refused.
 */
export const limitUnreadResponses = (app: FastifyInstance, { responses, refuse }: Limits): void => {
  const hold = responseHolder(responses)

  app.addHook('onRequest', (request, reply, done) => {
    // The response has the connection, and nothing is waiting before it.
    if (reply.raw.socket !== null) return done()
    if (request.raw.socket.destroyed) return
    const exceeded = hold(reply, pipelinedBytes)
    if (exceeded === undefined) return done()
    // A refusal would have to wait behind the other responses.
    refuse('response_bytes', exceeded)
    request.raw.socket.destroy()
  })
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const isExpensive = routeOf(request).config.stopsAtEndOfInput === true
    if (!isExpensive || !responses.isShareUsed(clientOf(request), smallBytes)) return done()
    // The response would probably be refused: it is not made in the first place.
    void sendError(refuse('response_bytes', 'client'), request, reply)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const bytes = sizeOf(payload, reply)
    if (bytes <= smallBytes || request.method === 'HEAD') return done()
    const body = Buffer.isBuffer(payload) ? payload : undefined
    const exceeded = hold(reply, bytes, { body, isForced: mustBeSent(request, reply) })
    if (exceeded === undefined) return done()
    if (payload instanceof Readable) payload.destroy()
    for (const name of headersOfContent) void reply.removeHeader(name)
    done(refuse('response_bytes', exceeded))
  })
}
