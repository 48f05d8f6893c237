import { pipeline, Readable } from 'node:stream'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import type { DoneFuncWithErrOrRes, FastifyInstance, FastifyReply } from 'fastify'
import { clientOf } from '../edge/client.ts'
import { brotliParams, createBodyCompressor } from './body-compressor.ts'
import { type Coding, preferredCoding, refusesIdentity } from './negotiation.ts'

/** Smaller responses fit into one packet, so compression would save nothing. */
const thresholdBytes = 1_024

const compressibleTypes =
  /^text\/(?!event-stream)|^image\/svg|[/+](?:json|xml|x-yaml|x-ndjson|javascript|openmetrics-text)\b/i

/** 256 KiB: each stream keeps 1.2 MiB in memory instead of 2.4, and Swagger UI becomes 1 % larger. */
const streamParams = { ...brotliParams, [constants.BROTLI_PARAM_LGWIN]: 18 }

/** Each chunk is sent at once, because a client may be waiting for it. */
const streamCompressors = {
  br: () => createBrotliCompress({ params: streamParams, flush: constants.BROTLI_OPERATION_FLUSH }),
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
} as const satisfies Record<Coding, unknown>

const isSmall = (payload: string | Buffer): boolean =>
  // A string of n UTF-16 units has at most 3n bytes.
  payload.length <= thresholdBytes / 3 || Buffer.byteLength(payload) <= thresholdBytes

const isCompressible = (reply: FastifyReply): boolean =>
  compressibleTypes.test(String(reply.getHeader('content-type'))) &&
  !reply.hasHeader('content-encoding') &&
  // The ranges of a partial response count the bytes of the original.
  reply.statusCode !== 206

/** Returns the coding in which to send the payload, or undefined to send it as it is. */
const codingOf = (payload: unknown, reply: FastifyReply): Coding | undefined => {
  const header = reply.request.headers['accept-encoding']
  if (header === undefined) return undefined
  const isBody = typeof payload === 'string' || Buffer.isBuffer(payload)
  if (!isBody && !(payload instanceof Readable)) return undefined
  if (isBody && isSmall(payload) && !refusesIdentity(header)) return undefined
  if (!isCompressible(reply)) return undefined
  const coding = preferredCoding(header)
  return coding === 'identity' ? undefined : coding
}

type Compressed = Readonly<{ coding: Coding; body: Promise<Buffer> }>

const sendCompressed = async (
  { coding, body }: Compressed,
  reply: FastifyReply,
  done: DoneFuncWithErrOrRes,
) => {
  try {
    const compressed = await body
    void reply.header('content-encoding', coding).removeHeader('content-length')
    done(null, compressed)
  } catch (error) {
    done(error as Error)
  }
}

/** Returns a stream of the compressed payload. Closing either stream closes the other. */
const compressStream = (payload: Readable, coding: Coding, reply: FastifyReply): Readable => {
  void reply.header('content-encoding', coding).removeHeader('content-length').removeHeader('accept-ranges')
  if (reply.request.method === 'HEAD') return payload
  payload.once('error', () => {
    // If nothing has been sent yet, the client gets an uncompressed problem instead.
    reply.removeHeader('content-encoding')
    if (!reply.raw.headersSent) reply.raw.removeHeader('content-encoding')
  })
  // Fastify reports the errors, because they also destroy the stream that it gets.
  return pipeline(payload, streamCompressors[coding](), () => {})
}

/**
 * Compresses responses of more than 1 KiB with brotli or gzip, as the client prefers; those for which there is no room are
 * sent as they are. The ETag stays the same (docs/decisions/0030-tags-survive-compression.md). `Vary: Accept-Encoding` is a
 * header of every response.
 */
export const compressResponses = (app: FastifyInstance): void => {
  const compress = createBodyCompressor()
  app.addHook('onSend', (request, reply, payload: unknown, done) => {
    const coding = codingOf(payload, reply)
    if (coding === undefined) return done()
    if (payload instanceof Readable) return done(null, compressStream(payload, coding, reply))
    const body = Buffer.isBuffer(payload) ? payload : Buffer.from(payload as string)
    const isRequired = refusesIdentity(request.headers['accept-encoding'] ?? '')
    const compressed = compress(clientOf(request), body, coding, isRequired)
    if (compressed === undefined) done()
    else void sendCompressed({ coding, body: compressed }, reply, done)
  })
}
