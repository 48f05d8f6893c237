import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const checkIntervalMs = 100

const isReady = (backend: string): Promise<boolean> =>
  fetch(`${backend}/health/ready`, { signal: AbortSignal.timeout(1_000) }).then(
    async (response) => {
      await response.text()
      return response.ok
    },
    () => false,
  )

/** Connects to the first backend that accepts a connection. */
const connectTo = async (backends: readonly string[]): Promise<Socket | undefined> => {
  for (const backend of backends) {
    const socket = connect({ port: Number(new URL(backend).port), host: '127.0.0.1', allowHalfOpen: true })
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      // Try the next backend.
    }
  }
  return undefined
}

/**
 * Starts a stand-in for a production load balancer. It checks ten times a second which instances are
 * ready, and forwards new connections to the ready ones in turn. It does not interpret the data.
 */
export const startBalancer = async () => {
  const ready = new Set<string>()
  const watches: Promise<void>[] = []
  let connections = 0
  const closing = new AbortController()
  const watch = async (backend: string) => {
    while (!closing.signal.aborted) {
      if (await isReady(backend)) ready.add(backend)
      else ready.delete(backend)
      await delay(checkIntervalMs)
    }
  }

  const forward = async (client: Socket): Promise<void> => {
    const candidates = [...ready]
    connections += 1
    const first = connections % Math.max(candidates.length, 1)
    const backend = await connectTo([...candidates.slice(first), ...candidates.slice(0, first)])
    if (backend === undefined) return void client.destroy()
    for (const [from, to] of [
      [client, backend],
      [backend, client],
    ] as const)
      from
        .on('error', () => to.destroy())
        .on('close', () => to.destroySoon())
        .pipe(to)
  }
  const clients = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    clients.add(client)
    client.on('error', () => {}).on('close', () => clients.delete(client))
    void forward(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    url: `http://127.0.0.1:${address.port}`,
    isReady: (backend: string): boolean => ready.has(backend),
    add: (backend: string): void => void watches.push(watch(backend)),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      server.close()
      for (const client of clients) client.destroy()
      await Promise.all(watches)
    },
  }
}
