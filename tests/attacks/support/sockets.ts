import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export type Target = Readonly<{ port: number; from: string }>

const open = ({ port, from }: Target, options: object = {}): Socket =>
  connect({ port, host: '127.0.0.1', localAddress: from, ...options }).on('error', () => {})

/** How a client leaves that has sent a request. */
export const departures = {
  'half-closed': (socket: Socket) => void socket.end(),
  closed: (socket: Socket) => void socket.destroy(),
  reset: (socket: Socket) => void socket.resetAndDestroy(),
} as const

/** Sends each text on a connection of its own and leaves. Resolves when all have left. */
export const abandon = async (
  requests: readonly (Target & Readonly<{ text: string }>)[],
  leave: (socket: Socket) => void,
): Promise<void> => {
  const sockets = requests.map(({ text, ...target }) => {
    const socket = open(target, { allowHalfOpen: true })
    const left = new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.write(text, () => {
        leave(socket)
        resolve()
      })
    })
    return { socket, left }
  })
  await Promise.all(sockets.map(({ left }) => left))
  // The server has got everything; those that have half-closed are not needed any more.
  await delay(500)
  for (const { socket } of sockets) socket.destroy()
}

/** Connections that are closed together. */
export type Sockets = Readonly<{ open: () => number }> & Disposable

const together = (sockets: readonly Socket[]): Sockets => ({
  open: () => sockets.filter((socket) => !socket.destroyed && !socket.connecting).length,
  [Symbol.dispose]: () => {
    for (const socket of sockets) socket.destroy()
  },
})

/** Connections that are opened all at once would only try the backlog of the listener. */
const openSlowly = async (count: number, openOne: (index: number) => Socket): Promise<Sockets> => {
  const sockets: Socket[] = []
  for (let index = 0; index < count; index++) {
    sockets.push(openOne(index))
    if (index % 100 === 99) await delay(10)
  }
  return together(sockets)
}

/** Sends the text on each connection, then nothing, and takes whatever is answered. */
export const holdOpen = (
  count: number,
  targetOf: (index: number) => Target,
  textOf: (index: number) => string,
) =>
  openSlowly(count, (index) => {
    const socket = open(targetOf(index)).resume()
    socket.write(textOf(index))
    return socket
  })

/** Sends the text on each connection, and reads nothing. */
export const doNotRead = (
  count: number,
  targetOf: (index: number) => Target,
  textOf: (index: number) => string,
) =>
  openSlowly(count, (index) => {
    const socket = open(targetOf(index)).pause()
    socket.write(textOf(index))
    return socket
  })

/** Sends the text on each connection, and reads so many bytes a second: enough for the server to see progress. */
export const readSlowly = (
  count: number,
  targetOf: (index: number) => Target,
  textOf: (index: number) => string,
  bytes: number,
) =>
  openSlowly(count, (index) => {
    const socket = open(targetOf(index), { onread: { buffer: Buffer.alloc(bytes), callback: () => false } })
    const timer = setInterval(() => socket.resume(), 1_000)
    socket.once('close', () => clearInterval(timer))
    socket.write(textOf(index))
    return socket
  })

type Request = Readonly<{
  method: string
  url: string
  from: string
  body?: unknown
  mediaType?: string
  headers?: Readonly<Record<string, string>>
}>
export type Response = Readonly<{ status: number; body: Buffer }>

/** Sends the requests, so many at a time, over kept connections. Resolves with the responses; 0 if there was none. */
export const sendAtOnce = async (
  concurrency: number,
  requests: Iterable<Request>,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<Response[]> => {
  const queue = requests[Symbol.iterator]()
  const responses: Response[] = []
  const agents = new Map<string, Agent>()
  const agentOf = (from: string) => {
    const agent = agents.get(from) ?? new Agent({ keepAlive: true, localAddress: from })
    agents.set(from, agent)
    return agent
  }
  const sendOne = ({ method, url, from, body, mediaType = 'application/json', headers: sent }: Request) =>
    new Promise<Response>((resolve) => {
      const fail = () => resolve({ status: 0, body: Buffer.alloc(0) })
      const headers = { ...sent, ...(body !== undefined && { 'content-type': mediaType }) }
      request(url, { method, agent: agentOf(from), headers, signal }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
      })
        .on('error', fail)
        .end(body === undefined ? undefined : JSON.stringify(body))
    })
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let next = queue.next(); !next.done && !signal.aborted; next = queue.next())
        responses.push(await sendOne(next.value))
    }),
  )
  for (const agent of agents.values()) agent.destroy()
  return responses
}

/** How many responses have each status. */
export const statusesOf = (responses: readonly Response[]): Readonly<Record<number, number>> => {
  const counts: Record<number, number> = {}
  for (const { status } of responses) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
