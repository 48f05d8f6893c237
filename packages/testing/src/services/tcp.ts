import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

type Address = Readonly<{ host: string; port: number }>

/** A listener that can go, which cuts its connections, and come again. */
const listener = (port: number, onConnection: (socket: Socket) => void) => {
  const sockets = new Set<Socket>()
  let server: Server | undefined
  const start = async () => {
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).once('close', () => sockets.delete(socket))
      onConnection(socket)
    })
    await once(server.listen(port, '127.0.0.1'), 'listening')
  }
  const stop = async () => {
    if (server?.listening !== true) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return { start, stop, [Symbol.asyncDispose]: stop }
}

/**
 * Passes everything that comes to this port on to the target, and back; once it is started. A connection that says
 * `lastWords` is cut before it gets an answer.
 */
export const proxyOn = (port: number, target: Address, lastWords?: string) =>
  listener(port, (socket) => {
    const upstream = connect(target)
    upstream.on('error', () => {}).once('close', () => socket.destroy())
    socket.once('close', () => upstream.destroy())
    if (lastWords !== undefined)
      socket.on('data', (bytes) => {
        if (bytes.includes(lastWords)) socket.destroy()
      })
    socket.pipe(upstream).pipe(socket)
  })

/** Takes connections on this port and never says a word; once it is started. */
export const silenceOn = (port: number) => listener(port, () => {})
