import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
} from 'node:http2'
import { connect } from 'node:net'
import type { Rpc } from './rpcs.ts'

/** What is known of the calls on one connection. */
export type Calls = Disposable &
  Readonly<{
    /** The calls that have been answered with headers. */
    answered: () => number
    /** The calls, and whether the connection, that have ended. */
    ended: () => number
    isConnected: () => boolean
    /** How many calls the server allows at a time; undefined before it has said so. */
    allowed: () => number | undefined
  }>

type Options = Readonly<{
  port: number
  from: string
  /** How many bytes of each answer the client takes; 0 is none. */
  window: number
  /** Whether the client ends its side of the call. */
  ends?: boolean
}>

const openSession = ({ port, from, window }: Options): ClientHttp2Session =>
  connectHttp2(`http://127.0.0.1:${port}`, {
    createConnection: () => connect({ port, host: '127.0.0.1', localAddress: from }),
    settings: { initialWindowSize: window },
  }).on('error', () => {})

const headersOf = ({ path }: Rpc) => ({
  [constants.HTTP2_HEADER_METHOD]: 'POST',
  [constants.HTTP2_HEADER_PATH]: path,
  'content-type': 'application/grpc',
  te: 'trailers',
})

/** Calls the RPC and reads the answer. Resolves with its status; with 0 as soon as a stream begins. */
export const statusOf = async (rpc: Rpc, options: Omit<Options, 'window'>): Promise<number> => {
  const session = openSession({ ...options, window: 65_535 })
  try {
    const stream = session.request(headersOf(rpc), { signal: AbortSignal.timeout(20_000) })
    stream.end(rpc.requestOf(0))
    const [headers] = await once(stream, 'response')
    if (headers['grpc-status'] !== undefined) return Number(headers['grpc-status'])
    if (rpc.streams) return 0
    stream.resume()
    const [trailers] = await once(stream, 'trailers')
    return Number(trailers['grpc-status'])
  } finally {
    session.destroy()
  }
}

/**
 * Calls the RPCs on one connection, and does not read the answers. Resolves when the server has sent its settings, or has
 * closed the connection.
 */
export const callUnread = async (
  calls: Iterable<readonly [Rpc, number]>,
  options: Options,
): Promise<Calls> => {
  const session = openSession(options)
  let answered = 0
  let ended = 0
  let isConnected = true
  session.once('close', () => (isConnected = false))
  const closed = once(session, 'close')
  await Promise.race([once(session, 'remoteSettings').catch(() => undefined), closed])
  const allowed = session.destroyed ? undefined : session.remoteSettings.maxConcurrentStreams
  for (const [rpc, variant] of calls) {
    if (session.destroyed || session.closed) break
    const stream: ClientHttp2Stream = session.request(headersOf(rpc))
    stream
      .on('error', () => {})
      .once('response', () => (answered += 1))
      .once('close', () => (ended += 1))
    if (options.ends === false) stream.write(rpc.requestOf(variant))
    else stream.end(rpc.requestOf(variant))
  }
  return {
    answered: () => answered,
    ended: () => ended,
    isConnected: () => isConnected,
    allowed: () => allowed,
    [Symbol.dispose]: () => session.destroy(),
  }
}
