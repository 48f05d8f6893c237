import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/** A request as its text; a body is sent as JSON. */
export const requestText = (method: string, path: string, body?: object): string => {
  const json = body === undefined ? '' : JSON.stringify(body)
  const headers =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n`
  return `${method} ${path} HTTP/1.1\r\nHost: s\r\n${headers}\r\n${json}`
}

/** Sends the request on a connection of its own, with all the ways to leave it. */
export const sendOn = (port: number, request: string) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(request)
  return {
    /** Says that there is nothing more to come, and reads what comes until the other side says so too. */
    halfClose: (): Promise<string> => {
      socket.end()
      return text(socket)
    },
    /** To the other side this looks just the same, until it says something. */
    close: () => void socket.destroy(),
    /** As when the program at this end is killed, or its machine is gone: the other side is told at once. */
    reset: () => void socket.resetAndDestroy(),
  }
}

/** Sends the request, and ends the connection as soon as it is sent. */
export const abandon = async (port: number, request: string): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).once('close', () => resolve())
  socket.write(request, () => socket.destroy())
  await promise
}

/** Status and body of an answer, as it was on the wire. */
export const parsed = (answer: string) => {
  const [head = '', ...body] = answer.split('\r\n\r\n')
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]), body: body.join('\r\n\r\n') }
}
