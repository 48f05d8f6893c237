import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { every, pause } from '../../resilience/every.ts'
import { rawSocketOf } from '../../tls/raw-socket.ts'

/** A stalled connection is closed at most a sixteenth of the limit later. */
const checksPerLimit = 16

/**
 * The bytes that the kernel has taken from the process. `_handle` is undocumented; without it, a write counts when all of
 * it has been taken.
 */
const takenBytes = (connection: Socket): number => {
  const socket = rawSocketOf(connection)
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return socket.bytesWritten - socket.writableLength
  return Number(Reflect.get(handle, 'bytesWritten')) - Number(Reflect.get(handle, 'writeQueueSize'))
}

/**
 * Closes connections that have bytes to send, none of which the kernel has taken for `limitMs`: the client does not read,
 * or so slowly that the kernel's buffer has not emptied by a third. Node.js would wait for ever. Its own timeout of sockets would need two
 * periods and would also end requests whose handler takes long. Connections without bytes to send are not touched.
 */
export const closeStalledConnections = (app: FastifyInstance, limitMs: number, onClose: () => void): void => {
  const sockets = new Set<Socket>()
  const stalls = new WeakMap<Socket, Readonly<{ taken: number; since: number }>>()
  const server: object = app.server
  app.server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  const check = (socket: Socket): void => {
    if (socket.writableLength === 0) return void stalls.delete(socket)
    const taken = takenBytes(socket)
    const stall = stalls.get(socket)
    if (stall?.taken !== taken) stalls.set(socket, { taken, since: performance.now() })
    else if (performance.now() - stall.since >= limitMs) {
      onClose()
      // A reset also frees what the kernel holds for the client: up to 4 MiB.
      rawSocketOf(socket).resetAndDestroy()
    }
  }

  const closing = new AbortController()
  const pauseMs = limitMs / checksPerLimit
  const checkAll = () => {
    for (const socket of sockets) check(socket)
  }
  void pause(pauseMs, closing.signal).then(() => every(pauseMs, checkAll, closing.signal))
  app.addHook('onClose', async () => closing.abort())
}
