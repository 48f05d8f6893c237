import assert from 'node:assert/strict'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import type { FastifyInstance } from 'fastify'
import type { LimitsConfig } from '../../src/limits/limits.ts'
import { startServer } from './http-server.ts'
import { openTo, sendFrom } from './raw-http.ts'

export const timeoutMs = 20_000

/** More than the buffers of a connection on loopback take. */
export const large = 8_000_000

/** The bytes that one client may leave unread. */
export const share = large + 100_000

const shared = Buffer.alloc(large)

const contentHeaders = {
  etag: '"1"',
  'last-modified': 'Sat, 28 Nov 2026 06:00:00 GMT',
  'accept-ranges': 'bytes',
  'content-type': 'application/json',
}

/** Starts a server whose routes have large responses, with few bytes for those that are not read. */
export const startWithReaders = async (limits: Partial<LimitsConfig> = {}) => {
  const streams: Readable[] = []
  let lists = 0
  const late = Promise.withResolvers<Buffer>()
  const routes = async (app: FastifyInstance) => {
    app.get('/bytes/:n', async ({ params }, reply) =>
      reply.headers(contentHeaders).send(Buffer.alloc(Number(Reflect.get(Object(params), 'n')))),
    )
    app.get('/shared', async (_request, reply) => reply.send(shared))
    app.get('/list', { config: { stopsAtEndOfInput: true } }, async () => `${(lists += 1)}`)
    app.get('/text', async (_request, reply) => reply.send('é'.repeat(60_000)))
    app.get('/stream', async (_request, reply) => {
      const stream = new Readable({ read() {} })
      streams.push(stream)
      return reply.send(stream)
    })
    app.get('/late', () => late.promise)
    app.get('/failed', async (_request, reply) => reply.code(400).send('x'.repeat(200_000)))
    app.post('/short', async () => 'short')
    app.post('/written', async (_request, reply) => reply.send(Buffer.alloc(200_000)))
  }
  const server = await startServer({ routes, limits: { maxResponseBytes: 4 * share, ...limits } })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo
  const sockets: Socket[] = []
  const metric = async (name: string): Promise<string[]> =>
    (await server.metrics.registry.getSingleMetricAsString(name))
      .split('\n')
      .filter((line) => !line.startsWith('#') && line !== '')
      .map((line) => line.replace(/,?service="test-service"/, '').replace('{}', ''))
  const assertUnread = (bytes: number) =>
    eventually(timeoutMs, async () =>
      assert.deepEqual(await metric('unread_response_bytes'), [`unread_response_bytes ${bytes}`]),
    )
  return {
    ...server,
    streams,
    lists: () => lists,
    /** Lets `/late` respond. */
    respondLate: () => late.resolve(shared),
    metric,
    /** The series of a counter that are not 0. */
    counted: async (name: string): Promise<string[]> =>
      (await metric(name)).filter((line) => !line.endsWith(' 0')),
    assertUnread,
    /** Sends requests over one connection whose responses are not read. */
    leaveUnread: async (client: string, ...paths: readonly string[]): Promise<Socket> => {
      const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
      const socket = await openTo(port, '127.0.0.1', client)(requests.join(''))
      sockets.push(socket)
      return socket
    },
    get: (client: string, path: string, headers = '') =>
      sendFrom(server.app, client, `GET ${path} HTTP/1.1\r\n${headers}\r\n`),
    send: (client: string, text: string) => sendFrom(server.app, client, `${text}\r\n\r\n`),
    /** Closes the connections of `leaveUnread`, which gives everything back. */
    closeAll: async () => {
      for (const socket of sockets.splice(0)) socket.resetAndDestroy()
      await assertUnread(0)
    },
    /** How many requests have been recorded with the status. */
    recorded: (status: number) => server.lines.filter((line) => line['status'] === status).length,
  }
}
