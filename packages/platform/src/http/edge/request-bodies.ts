import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import type { Exceeded } from '../../limits/budget.ts'
import type { Limits } from '../../limits/limits.ts'
import { sendError } from '../errors.ts'
import { clientOf } from './client.ts'

/** What a piece of a body takes besides its bytes, measured. A chunked body may come byte by byte. */
const pieceBytes = 512

/**
 * Bodies whose length is known and at most this are not counted: those of ordinary writes, for which counting takes 3 µs.
 * All 10,000 connections together could hold 40 MiB of them, the 200 of one client less than one.
 */
const smallBytes = 4 * 1024

const mayBeLarge = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > smallBytes

/**
 * Drops what has been read of the body, and responds with the error. The payload flows on until the connection is closed: a
 * paused one would keep what has arrived already.
 */
const refuseBody = (error: Error, payload: RequestPayload, request: FastifyRequest, reply: FastifyReply) => {
  void reply.header('connection', 'close')
  // Whoever reads the body reports the error. It marks the error with a status, so it gets one of its own.
  if (payload.listenerCount('error') > 0) payload.emit('error', Object.create(error))
  else void sendError(error, request, reply)
}

/**
 * Bounds the bytes of request bodies, of all clients and of each, from receiving until the response is closed. What has
 * been received counts, not what the head announces. Beyond the bound, the request is refused and its connection closed.
 */
export const limitRequestBodies = (app: FastifyInstance, { bodies, refuse }: Limits): void => {
  const count = (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): void => {
    const stop = (exceeded: Exceeded): void => {
      payload.off('data', onData)
      bodies.release(holding)
      if (!reply.sent) refuseBody(refuse('requestBytes', exceeded), payload, request, reply)
    }
    const holding = bodies.start(clientOf(request), { isWaiting: () => true, evict: () => stop('total') })
    const onData = (piece: Buffer) => {
      const exceeded = bodies.grow(holding, piece.length + pieceBytes)
      if (exceeded !== undefined) stop(exceeded)
    }
    // Whoever reads the body makes it flow. Until then, no byte may be lost; if nobody does, nothing counts.
    payload.pause()
    payload.on('data', onData)
    payload.once('end', () => bodies.keep(holding))
    reply.raw.once('close', () => bodies.release(holding))
  }

  app.addHook('preParsing', (request, reply, payload, done) => {
    if (mayBeLarge(request)) count(request, reply, payload)
    done()
  })
}
