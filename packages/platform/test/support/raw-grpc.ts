import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { Status } from '@shop/contracts/google/rpc/errors.ts'

type ConnectOptions = Readonly<{
  /** The address that the calls come from. */
  from?: string
  /** How many bytes of each response the client is willing to receive. */
  window?: number
}>

const frameOf = (message: Buffer): Buffer => {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

export type CallEnd = Readonly<{
  /** The gRPC status; undefined if the stream was reset without one. */
  status: number | undefined
  /** The code of RST_STREAM. */
  reset: number | undefined
  /** The names of the details of an error. */
  details: readonly string[]
}>

const endOf = (stream: ClientHttp2Stream): Promise<CallEnd> =>
  new Promise((resolve) => {
    let status: number | undefined
    let details: readonly string[] = []
    const read = (headers: Readonly<Record<string, unknown>>): void => {
      if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status'])
      const encoded = headers['grpc-status-details-bin']
      if (typeof encoded !== 'string') return
      const { details: packed } = Status.decode(Buffer.from(encoded, 'base64'))
      details = packed.map(({ typeUrl }) => typeUrl.replace(/.*\./, ''))
    }
    stream.on('response', read).on('trailers', read)
    stream.on('error', () => {})
    stream.on('close', () => resolve({ status, reset: stream.rstCode, details }))
  })

type RawCall = Readonly<{
  message?: Buffer
  /** Whether the client says that it has sent everything. */
  end?: boolean
  headers?: Readonly<Record<string, string>>
}>

const start = (session: ClientHttp2Session, method: string, { message, end, headers }: RawCall) => {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  if (message !== undefined) stream.write(frameOf(message))
  if (end !== false) stream.end()
  stream.resume()
  return { stream, ended: endOf(stream), send: (next: Buffer) => stream.write(frameOf(next)) }
}

/** Opens a connection that calls as no client library does. Disposing of it closes the connection. */
export const rawConnection = (port: number, { from = '127.0.0.1', window = 65_535 }: ConnectOptions = {}) => {
  const socket = connectSocket({ host: '127.0.0.1', port, localAddress: from })
  const session = connect(`http://127.0.0.1:${port}`, {
    createConnection: () => socket,
    settings: { initialWindowSize: window },
  })
  session.on('error', () => {})
  return {
    session,
    socket,
    /** Starts a call of the method, such as `product.ProductService/GetProduct`. */
    call: (method: string, call: RawCall = { message: Buffer.alloc(0) }) => start(session, method, call),
    [Symbol.dispose]: () => session.destroy(),
  }
}
