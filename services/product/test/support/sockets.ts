import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/** Serializes an HTTP/1.1 request. The body is sent as JSON. */
export const requestText = (method: string, path: string, body?: object): string => {
  const json = body === undefined ? '' : JSON.stringify(body)
  const headers =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: s\r\n${headers}\r\n${json}`
}

/** Sends the request on a new connection. Returns functions that end the connection. */
export const sendRequest = (port: number, request: string) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(request)
  return {
    /** Ends the sending side, and resolves with everything that the server sends until it ends its side. */
    halfClose: (): Promise<string> => {
      socket.end()
      return text(socket)
    },
    /** Closes both sides. The server cannot tell this from a half-close until it writes. */
    close: () => void socket.destroy(),
    /** Sends a TCP reset, which the server notices at once. */
    reset: () => void socket.resetAndDestroy(),
  }
}

/** Sends the request and closes the connection as soon as the request is written. */
export const sendAndDisconnect = async (port: number, request: string): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).once('close', () => resolve())
  socket.write(request, () => socket.destroy())
  await promise
}

/** Parses the status and the body of a raw HTTP/1.1 response. */
export const parseResponse = (response: string) => {
  const [head = '', ...body] = response.split('\r\n\r\n')
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]), body: body.join('\r\n\r\n') }
}
