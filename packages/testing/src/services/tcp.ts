import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

type Address = Readonly<{
  host: string
  port: number
  /** The address of this machine to connect from. */
  localAddress?: string
}>

/** A listener that can be started and stopped repeatedly. Stopping it cuts its connections. */
const createListener = (port: number, onConnection: (socket: Socket) => void) => {
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
 * Creates a TCP proxy from this port to the target. A connection whose client sends `cutOn` is cut before it
 * gets a response.
 */
export const proxyOn = (port: number, target: Address, cutOn?: string) =>
  createListener(port, (socket) => {
    const upstream = connect(target)
    upstream.on('error', () => {}).once('close', () => socket.destroy())
    socket.once('close', () => upstream.destroy())
    if (cutOn !== undefined)
      socket.on('data', (bytes) => {
        if (bytes.includes(cutOn)) socket.destroy()
      })
    socket.pipe(upstream).pipe(socket)
  })

/**
 * Creates a TCP proxy from this port to the target. After `mute`, what clients send still arrives, but they get no response.
 * Starting it again ends that.
 */
export const mutableProxyOn = (port: number, target: Address) => {
  let isMuted = false
  const { start, ...listener } = createListener(port, (socket) => {
    const upstream = connect(target)
    upstream.on('error', () => {}).once('close', () => socket.destroy())
    socket.once('close', () => upstream.destroy())
    socket.pipe(upstream)
    upstream.on('data', (bytes) => {
      if (!isMuted) socket.write(bytes)
    })
  })
  return {
    ...listener,
    start: () => {
      isMuted = false
      return start()
    },
    mute: () => {
      isMuted = true
    },
  }
}

/** Creates a server that accepts connections on this port and never responds. */
export const silentServerOn = (port: number) => createListener(port, () => {})
