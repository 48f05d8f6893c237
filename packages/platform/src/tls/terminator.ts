import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { FindClient } from './handshakes.ts'
import type { Tls } from './open-tls.ts'

/**
 * Ends TLS for connections that a listener has accepted, and gives them to `serve` after the handshake. The protocol, such as `h2`, is
 * required from clients by ALPN (RFC 7301).
 */
export const terminateTls = (
  tls: Tls,
  transport: 'grpc',
  protocol: string,
  findClient: FindClient,
  serve: (socket: TLSSocket) => void,
) => {
  const server = createServer({ ...tls.options(), ALPNProtocols: [protocol] })
  const { close, fail } = tls.attach(server, transport, findClient)
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === protocol) return serve(socket)
    fail('protocol')
    socket.on('error', () => {})
    socket.destroy()
  })
  return {
    accept: (raw: Socket): void => void server.emit('connection', raw),
    /** Cuts off the handshakes in progress. */
    close,
  }
}
