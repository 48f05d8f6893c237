import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { openTo, parseResponse, readAll } from '../support/raw-http.ts'

const get = (path: string, ...headers: readonly string[]) =>
  `GET ${path} HTTP/1.1\r\n${['Host: shop', ...headers].join('\r\n')}\r\n\r\n`

/** Starts a server on whose limits clients of other addresses of this machine count. */
const start = async (options: Parameters<typeof startServer>[0]) => {
  const held = Promise.withResolvers<object>()
  const server = await startServer({
    ...options,
    routes: async (app) => {
      app.get('/quick', async () => ({}))
      app.get('/held', () => held.promise)
    },
  })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo
  const open = (address: string, text?: string) => openTo(port, '127.0.0.1', address)(text)
  return {
    ...server,
    open,
    /** Opens connections of one address, on each of which a response has been read. */
    openIdle: async (address: string, count: number): Promise<Socket[]> => {
      const sockets = await Promise.all(Array.from({ length: count }, () => open(address, get('/quick'))))
      await Promise.all(sockets.map((socket) => once(socket, 'data')))
      return sockets
    },
    request: async (address: string, path: string, ...headers: readonly string[]) =>
      parseResponse(await readAll(await open(address, get(path, 'Connection: close', ...headers)))),
    untilUsed: (count: number) =>
      eventually(5_000, async () => assert.equal(server.limits.connections.used(), count)),
    gauge: async (name: string) => {
      const text = await server.metrics.registry.getSingleMetricAsString(name)
      return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    },
    [Symbol.asyncDispose]: async () => {
      held.resolve({})
      await server.app.close()
    },
  }
}

const closedOf = (sockets: readonly Socket[]): number =>
  sockets.filter(({ readableEnded, destroyed }) => readableEnded || destroyed).length

describe('a client with as many connections as its share', () => {
  it('gets a 429 on further ones, but health and metrics; others are served', async () => {
    await using server = await start({ limits: { maxConnectionsPerClient: 2 } })
    const kept = await server.openIdle('127.0.0.9', 2)
    const refused = await server.request('127.0.0.9', '/quick')
    assert.deepEqual(
      [refused.status, refused.headers['retry-after'], refused.headers['connection']],
      [429, '1', 'close'],
    )
    const { code, detail } = JSON.parse(refused.body)
    assert.deepEqual(
      [code, detail],
      ['rate_limited', 'too many connections from your address, try again later'],
    )
    for (const path of ['/health/live', '/metrics'])
      assert.equal((await server.request('127.0.0.9', path)).status, 200, path)
    assert.equal((await server.request('127.0.0.1', '/quick')).status, 200)
    const refusals = await server.gauge('requests_refused_total')
    assert.deepEqual(
      refusals.filter((line) => !line.endsWith(' 0')),
      ['requests_refused_total{reason="connections",scope="client",service="test-service"} 1'],
    )
    for (const socket of kept) socket.destroy()
    await server.untilUsed(0)
    assert.equal((await server.request('127.0.0.9', '/quick')).status, 200)
  })

  it('has a tenth of the reserve, in which others still get their problem and health checks', async () => {
    await using server = await start({ limits: { maxConnections: 12, maxConnectionsPerClient: 10 } })
    const sockets = await Promise.all(Array.from({ length: 60 }, () => server.open('127.0.0.9')))
    for (const socket of sockets) socket.resume()
    await eventually(5_000, async () => assert.equal(closedOf(sockets), 40))
    const counts = () => server.limits.connections.counts().get('http')
    assert.deepEqual(counts(), { client: 10, trusted: 0, refused: 10 })
    assert.deepEqual(await server.gauge('server_connections_max'), [
      'server_connections_max{service="test-service"} 12',
    ])
    const last = await Promise.all(['127.0.0.7', '127.0.0.8'].map((address) => server.open(address)))
    await server.untilUsed(12)
    assert.equal((await server.request('127.0.0.6', '/quick')).status, 503)
    assert.equal((await server.request('127.0.0.6', '/health/live')).status, 200)
    for (const socket of [...sockets, ...last]) socket.destroy()
    await server.untilUsed(0)
    assert.deepEqual(counts(), { client: 0, trusted: 0, refused: 0 })
    const lines = server.lines.filter(({ msg }) => String(msg).startsWith('connections are refused'))
    assert.deepEqual(
      lines.map(({ level, cause }) => [level, cause]),
      [[40, 'too many connections, try again later']],
    )
    assert.doesNotMatch(JSON.stringify(lines), /127\.0\.0/)
  })

  it('has no share if it is a trusted proxy', async () => {
    const limits = { maxConnectionsPerClient: 2 }
    await using server = await start({ limits, config: { trustProxy: '127.0.0.9' } })
    const sockets = await server.openIdle('127.0.0.9', 5)
    const response = await server.request('127.0.0.9', '/quick', 'X-Forwarded-For: 198.51.100.7')
    assert.equal(response.status, 200)
    assert.deepEqual(server.limits.connections.counts().get('http'), { client: 0, trusted: 5, refused: 0 })
    for (const socket of sockets) socket.destroy()
  })
})

describe('a connection', { concurrency: true }, () => {
  it('counts until it closes, however that happens', async () => {
    await using server = await start({})
    const ways: readonly ((socket: Socket) => unknown)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end(),
      (socket) => socket.write('\x16\x03\x01\x02\x00\x01 TLS\r\n\r\n'),
      (socket) => socket.write('GET / HTTP/1.1\r\nHost'),
      (socket) => socket.write(get('/quick', 'Connection: close')),
      (socket) => socket.write(get('/quick')) && socket.end(),
      (socket) => socket.write(get('/held')) && socket.resetAndDestroy(),
      (socket) =>
        socket.write('POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1') && socket.end(),
      (socket) => socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'),
    ]
    server.app.server.headersTimeout = 50
    const sockets = await Promise.all(
      ways.flatMap(() => [server.open('127.0.0.9'), server.open('127.0.0.1')]),
    )
    await server.untilUsed(sockets.length)
    for (const [index, socket] of sockets.entries()) {
      socket.resume()
      ways[index % ways.length]?.(socket)
    }
    await server.untilUsed(0)
    assert.deepEqual(
      ['127.0.0.1', '127.0.0.9'].map((address) => server.limits.connections.usedBy(address)),
      [0, 0],
    )
  })

  it('is closed for a newcomer if it is idle and the total is almost used: of the client with the most first', async () => {
    await using server = await start({ limits: { maxConnections: 10 } })
    const many = await server.openIdle('127.0.0.9', 5)
    const few = await server.openIdle('127.0.0.8', 2)
    const busy = [await server.open('127.0.0.9', get('/held')), await server.open('127.0.0.9', get('/held'))]
    for (const socket of [...many, ...few, ...busy]) socket.resume()
    await server.untilUsed(9)
    // Until a second has passed, they are not idle.
    await eventually(5_000, async () => {
      assert.equal((await server.request('127.0.0.1', '/quick')).status, 200)
      assert.equal(closedOf(many), 1)
    })
    const [newcomer] = await server.openIdle('127.0.0.7', 1)
    await server.untilUsed(9)
    await eventually(5_000, async () =>
      assert.equal((await server.request('127.0.0.1', '/quick')).status, 200),
    )
    assert.deepEqual([closedOf(few), closedOf(busy)], [0, 0])
    for (const socket of [...many, ...few, ...busy, newcomer]) socket?.destroy()
  })
})
