import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { openTo, parseResponse, readAll } from '../support/raw-http.ts'

const hosts = ['127.0.0.1', '::1']
const request = (line: string, ...headers: readonly string[]) =>
  `${line} HTTP/1.1\r\n${['Host: localhost', ...headers].join('\r\n')}\r\n\r\n`
const get = request('GET /held')

/** Starts a server on `localhost` whose responses to GET wait for `release()`. */
const start = async (limits: NonNullable<Parameters<typeof startServer>[0]>['limits'] = {}) => {
  const { promise, resolve } = Promise.withResolvers<object>()
  const server = await startServer({
    routes: async (app) => {
      app.get('/held', () => promise)
      app.post('/things', async () => ({}))
    },
    limits,
  })
  const port = await server.listen(0, 'localhost')
  /** Sends the text to each address. Resolves with the sockets. */
  const openAll = (text: string) => Promise.all(hosts.map((host) => openTo(port, host)(text)))
  return { ...server, port, openAll, release: () => resolve({ done: true }) }
}

const responses = async (sockets: readonly Socket[]) =>
  (await Promise.all(sockets.map(readAll))).map(parseResponse)

const untilActive = (server: Awaited<ReturnType<typeof start>>, count: number) =>
  eventually(5_000, async () => assert.equal(await server.activeRequests(), count))

const assertRefusesConnections = async (port: number) => {
  for (const host of hosts)
    await assert.rejects(once(connect({ port, host }), 'connect'), { code: 'ECONNREFUSED' }, host)
}

/** Reads one response. The connection stays open. */
const nextResponse = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0])

describe('a server on localhost does on each of its addresses', () => {
  it('answer a client that has closed its side', async () => {
    await using server = await start()
    let halfClosed = 0
    server.app.server.on('connection', (socket) => socket.once('end', () => (halfClosed += 1)))
    const sockets = await server.openAll(get)
    await untilActive(server, 2)
    for (const socket of sockets) socket.end()
    await eventually(5_000, async () => assert.equal(halfClosed, 2))
    server.release()
    for (const { status } of await responses(sockets)) assert.equal(status, 200)
  })

  it('answer with a problem what Node.js would answer itself', async () => {
    await using server = await start()
    for (const [text, status] of [
      ['nonsense\r\n\r\n', 400],
      [request('CONNECT shop:443'), 405],
      [request('POST /things', 'Expect: nonsense', 'Content-Length: 0'), 417],
      [request('GET /things', 'Connection: close, upgrade', 'Upgrade: websocket'), 405],
    ] as const)
      for (const response of await responses(await server.openAll(text))) {
        assert.equal(response.status, status, text)
        assert.equal(JSON.parse(response.body).status, status, text)
      }
  })

  it('limit the time in which the head of a request arrives', async () => {
    await using server = await start()
    server.app.server.headersTimeout = 50
    for (const { status, body } of await responses(await server.openAll('GET /held HTTP/1.1\r\nHost: l')))
      assert.deepEqual([status, JSON.parse(body).code], [408, 'invalid'])
  })

  it('count connections together', async () => {
    await using server = await start({ maxConnections: 2 })
    const kept = await server.openAll(get)
    await untilActive(server, 2)
    for (const { status } of await responses(await server.openAll(get))) assert.equal(status, 503)
    server.release()
    for (const socket of kept) assert.match(await nextResponse(socket), /^HTTP\/1\.1 200 /)
    for (const socket of kept) socket.destroy()
  })

  it('close connections above the reserve of the limit at once', async () => {
    await using server = await start({ maxConnections: 1 })
    let closed = 0
    const sockets = (await Promise.all(Array.from({ length: 60 }, () => server.openAll('')))).flat()
    for (const socket of sockets) {
      socket.resume()
      socket.once('close', () => (closed += 1))
      socket.once('end', () => socket.destroy())
    }
    // 120 connections of two clients: 1 that is served, 10 of each in the reserve, and 99.
    await eventually(5_000, async () => assert.equal(closed, 99))
    for (const socket of sockets) socket.destroy()
  })

  it('stop listening, and serve the connections that are open', async () => {
    await using server = await start()
    server.release()
    const sockets = await server.openAll(get)
    for (const socket of sockets) assert.match(await nextResponse(socket), /^HTTP\/1\.1 200 /)
    server.stopListening()
    await assertRefusesConnections(server.port)
    for (const socket of sockets) {
      socket.write(get)
      assert.match(await nextResponse(socket), /^HTTP\/1\.1 200 /)
      socket.destroy()
    }
  })

  for (const host of hosts)
    it(`finish running requests when it closes, and close idle connections: ${host}`, async () => {
      await using server = await start()
      const running = await openTo(server.port, host)(get)
      await untilActive(server, 1)
      const idle = await server.openAll(request('OPTIONS *'))
      for (const socket of idle) assert.match(await nextResponse(socket), /^HTTP\/1\.1 204 /)
      const idleClosed = Promise.all(idle.map((socket) => once(socket, 'end')))
      let hasClosed = false
      const closed = server.app.close().then(() => (hasClosed = true))
      await idleClosed
      for (const socket of idle) socket.destroy()
      await assertRefusesConnections(server.port)
      assert.equal(hasClosed, false)
      server.release()
      for (const { status, headers } of await responses([running]))
        assert.deepEqual([status, headers['connection']], [200, 'close'])
      await closed
    })

  it('cut off connections that are still open at the end of a close', async () => {
    await using server = await start()
    const sockets = await server.openAll(get)
    await untilActive(server, 2)
    const ended = Promise.all(sockets.map((socket) => once(socket.resume(), 'end')))
    server.app.server.closeAllConnections()
    await ended
    for (const socket of sockets) socket.destroy()
    server.release()
  })
})
