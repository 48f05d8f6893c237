import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { listen, parseResponse, readAll } from '../support/raw-http.ts'

const head =
  'POST /things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nX-Request-ID: req 1\r\n'
const get = 'GET /held HTTP/1.1\r\nHost: shop\r\n\r\n'

/** Starts a server whose responses to GET wait for `release()`. */
const start = async (options: Parameters<typeof startServer>[0] = {}) => {
  const { promise, resolve } = Promise.withResolvers<object>()
  const server = await startServer({
    routes: async (app) => {
      app.get('/held', () => promise)
      app.get('/begun', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-length': 10 }).write('12345')
        void promise.then(() => reply.raw.end('67890'))
      })
      app.post('/things', async () => ({}))
    },
    ...options,
    config: { trustProxy: 'loopback', ...options.config },
  })
  return { ...server, open: await listen(server.app), release: () => resolve({ done: true }) }
}

type Server = Awaited<ReturnType<typeof start>>

const untilActive = (server: Server, count: number) =>
  eventually(5_000, async () => assert.equal(await server.activeRequests(), count))

const logged = ({ lines }: Server) =>
  lines
    .filter(({ msg }) => msg === 'request')
    .map(({ request_id, route, status }) => [request_id, route, status])

describe('input that is not HTTP', () => {
  it('within the body of a request is answered to that request, and recorded with its status', async () => {
    await using server = await start()
    const socket = await server.open(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    await untilActive(server, 1)
    for (const text of ['nonsense\r\n', 'and more']) socket.write(text)
    const { status, headers, body } = parseResponse(await readAll(socket))
    assert.deepEqual([status, headers['x-request-id'], headers['connection']], [400, 'req 1', 'close'])
    assert.deepEqual([JSON.parse(body).request_id, JSON.parse(body).instance], ['req 1', '/things'])
    await untilActive(server, 0)
    assert.deepEqual(logged(server), [['req 1', '/things', 400]])
    assert.deepEqual(
      server.lines.filter(({ level }) => Number(level) > 30),
      [],
    )
  })

  it('from a client that leaves is not logged as a fault', async () => {
    await using server = await start()
    for (let count = 0; count < 20; count += 1) {
      const socket = await server.open(`${head}Transfer-Encoding: chunked\r\n\r\n`)
      await untilActive(server, 1)
      socket.write('zz\r\n')
      socket.resetAndDestroy()
      await untilActive(server, 0)
    }
    assert.deepEqual(
      server.lines.filter(({ level }) => Number(level) > 30),
      [],
    )
  })

  it('after a request is answered after that request', async () => {
    await using server = await start()
    const socket = await server.open(get)
    await untilActive(server, 1)
    for (const text of ['nonsense\r\n', 'and more']) {
      socket.write(text)
      await delay(10)
    }
    const all = readAll(socket)
    server.release()
    const [first = '', second = '', ...more] = (await all).split(/(?<=\})(?=HTTP)/)
    assert.equal(parseResponse(first).status, 200)
    assert.equal(parseResponse(first).body, '{"done":true}')
    assert.equal(parseResponse(second).status, 400)
    assert.deepEqual(more, [])
  })

  it('does not interrupt a response that has begun', async () => {
    await using server = await start()
    const socket = await server.open(get.replace('held', 'begun'))
    await untilActive(server, 1)
    socket.write('nonsense\r\n')
    const all = readAll(socket)
    await delay(20)
    server.release()
    assert.match(await all, /\r\n\r\n1234567890HTTP\/1\.1 400 Bad Request\r\n/)
  })
})

describe('a request that arrives too slowly', () => {
  it('gets a 408, recorded with the request when its head has arrived', async () => {
    await using server = await start()
    Object.assign(server.app.server, { requestTimeout: 300, headersTimeout: 300 })
    const sockets = [await server.open(`${head}Content-Length: 10\r\n\r\n{`), await server.open(head)]
    const [body, noBody] = await Promise.all(
      sockets.map(async (socket) => parseResponse(await readAll(socket))),
    )
    for (const response of [body, noBody]) {
      assert.equal(response?.status, 408)
      assert.match(String(response?.headers['content-type']), /^application\/problem\+json/)
      assert.equal(response?.headers['connection'], 'close')
      assert.equal(response?.headers['x-content-type-options'], 'nosniff')
    }
    assert.equal(body?.headers['x-request-id'], 'req 1')
    await untilActive(server, 0)
    assert.deepEqual(logged(server), [['req 1', '/things', 408]])
  })
})

describe('a connection above the limit', () => {
  it('gets a 503 for requests, except health checks and scrapes, and is closed', async () => {
    await using server = await start({ limits: { maxConnections: 2 } })
    server.release()
    const kept = [await server.open(get), await server.open(get)]
    const request = async (path: string) =>
      parseResponse(await readAll(await server.open(`GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`)))
    const refused = await request('/held')
    assert.deepEqual(
      [refused.status, refused.headers['retry-after'], refused.headers['connection']],
      [503, '1', 'close'],
    )
    assert.deepEqual(
      [JSON.parse(refused.body).code, JSON.parse(refused.body).detail],
      ['unavailable', 'too many connections, try again later'],
    )
    for (const path of ['/nothing', '/held/%zz']) {
      const response = await request(path)
      assert.deepEqual([response.status, response.headers['connection']], [503, 'close'], path)
    }
    for (const path of ['/health', '/health/live', '/metrics']) {
      const response = await request(path)
      assert.deepEqual([response.status, response.headers['connection']], [200, 'close'], path)
    }
    for (const socket of kept) socket.destroy()
    await eventually(5_000, async () => {
      const socket = await server.open(get)
      socket.end()
      assert.equal(parseResponse(await readAll(socket)).status, 200)
    })
  })
})

describe('a half-closed connection', () => {
  const connections = (server: Server) =>
    new Promise<number>((resolve) => server.app.server.getConnections((_error, count) => resolve(count)))

  it('gets the responses to all of its requests in order, and is then closed', async () => {
    await using server = await start()
    const post = `${head}Content-Length: 2\r\n\r\n{}`
    const sockets = [
      await server.open(get + post),
      await server.open(post + get),
      await server.open(post),
      await server.open(),
    ]
    await untilActive(server, 3)
    for (const socket of sockets) socket.end()
    const texts = Promise.all(sockets.map(readAll))
    await delay(50)
    server.release()
    const [first = '', second = '', third = '', idle] = await texts
    assert.match(first, /^HTTP\/1\.1 200 OK\r\n[^]*\{"done":true\}HTTP\/1\.1 200 OK\r\n[^]*\{\}$/)
    assert.match(second, /^HTTP\/1\.1 200 OK\r\n[^]*\{\}HTTP\/1\.1 200 OK\r\n[^]*\{"done":true\}$/)
    assert.match(third, /^HTTP\/1\.1 200 OK\r\n[^]*\{\}$/)
    assert.equal(idle, '')
    await eventually(5_000, async () => assert.equal(await connections(server), 0))
    assert.equal(await server.activeRequests(), 0)
  })

  it('gets a 400 if its request is incomplete', async () => {
    await using server = await start()
    for (const text of ['GET /held HTT', head, `${head}Content-Length: 2\r\n\r\n{`]) {
      const socket = await server.open(text)
      socket.end()
      assert.equal(parseResponse(await readAll(socket)).status, 400, text)
    }
    await eventually(5_000, async () => assert.equal(await connections(server), 0))
  })
})
