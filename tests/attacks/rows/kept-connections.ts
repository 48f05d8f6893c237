import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'

/** Fewer than one client may have. */
const ofOneAddress = 180
const count = sized(ofOneAddress, 3 * ofOneAddress)

/** Parsed, it takes ten times its size. */
const body = `{"name":[${Array.from({ length: 80_000 }, () => '[]').join(',')}]}`

const requests = {
  'pages of 1,000 products': {
    status: 200,
    /**
     * In the long form, more wait for a connection to PostgreSQL than have one. The short form runs beside other tests: there, ten
     * took all the CPU time of a slow machine for a minute. What it checks, the memory of kept connections, does not depend on it.
     */
    concurrency: sized(3, 10),
    textOf: (index: number) =>
      `GET /products/low-stock-${300_000 + index}?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  },
  'bodies of many arrays': {
    status: 400,
    concurrency: 10,
    textOf: () =>
      `POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  },
}

/** Opens a connection, sends the text, and takes the response. */
const openKept = async (port: number, from: string, text: string, status: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.write(text)
  const [start] = await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })
  assert.equal(String(start).slice(9, 12), String(status))
  return socket.on('error', () => {}).resume()
}

/** Each connection sends one request, takes the response, and stays open: nothing of them may stay in memory. */
export const keptConnections: Row = {
  name: 'Connections that are kept after a large request',
  inSequence: true,
  attacks: Object.entries(requests).map(([title, { status, concurrency, textOf }]) => ({
    name: `${count} connections that are kept after ${title}`,
    run: async ({ product }, from) => {
      const kept: Socket[] = []
      let next = 0
      const open = async () => {
        for (let index = next++; index < count; index = next++)
          kept.push(
            await openKept(portOf(product), from(Math.floor(index / ofOneAddress)), textOf(index), status),
          )
      }
      try {
        await Promise.all(Array.from({ length: concurrency }, open))
        await delay(sized(100, 3_000))
        return `${kept.filter(({ closed }) => !closed).length} are kept`
      } finally {
        for (const socket of kept) socket.destroy()
      }
    },
  })),
}
