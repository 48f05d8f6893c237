import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/**
 * The accepted connection below a TLS socket of a server; a socket without TLS is its own. It is what limits count, what the kernel
 * takes bytes from, and what can be reset. `_parent` is undocumented.
 */
export const rawSocketOf = (socket: Socket): Socket => {
  if (!(socket instanceof TLSSocket)) return socket
  const raw: unknown = Reflect.get(socket, '_parent')
  if (raw instanceof Socket) return raw
  throw new Error('this version of Node.js keeps the connection of a TLS socket elsewhere')
}
