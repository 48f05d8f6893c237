import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Opens connections to the port that send `text`, then `drip` once a second if given. Closing is up to the caller. */
export const openSockets = async (
  port: number,
  count: number,
  { text = '', drip }: Readonly<{ text?: string; drip?: string }> = {},
): Promise<{ close: () => void }> => {
  const sockets: Socket[] = []
  const timers: NodeJS.Timeout[] = []
  for (let index = 0; index < count; index++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    socket.resume()
    socket.write(text)
    if (drip !== undefined) timers.push(setInterval(() => socket.write(drip), 1_000))
    // Connections that are opened all at once would only try the backlog of the listener.
    if (index % 100 === 99) await Promise.race([once(socket, 'connect').catch(() => undefined), delay(1_000)])
  }
  return {
    close: () => {
      for (const timer of timers) clearInterval(timer)
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Sends requests, `concurrency` at a time, and closes the connection of each after `keptMs`, whether it is answered or not. */
export const abandonRequests = async (
  port: number,
  texts: readonly string[],
  { concurrency, keptMs }: Readonly<{ concurrency: number; keptMs: number }>,
): Promise<void> => {
  const queue = [...texts]
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let text = queue.pop(); text !== undefined; text = queue.pop()) {
        const { close } = await openSockets(port, 1, { text })
        await delay(keptMs)
        close()
      }
    }),
  )
}

/** Sends bodies of this many bytes, `concurrency` at a time. Resolves with the statuses; 0 if the connection was closed. */
export const sendBodies = async (
  url: string,
  { count, concurrency, bytes }: Readonly<{ count: number; concurrency: number; bytes: number }>,
): Promise<number[]> => {
  const body = `{"name":"${'x'.repeat(bytes)}"}`
  const statuses: number[] = []
  let sent = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (sent++ < count)
        statuses.push(
          await fetch(url, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body,
            signal: AbortSignal.timeout(30_000),
          }).then(
            async (response) => {
              await response.arrayBuffer()
              return response.status
            },
            () => 0,
          ),
        )
    }),
  )
  return statuses
}
