import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { after, afterEach, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import type { FastifyInstance } from 'fastify'
import { startServer } from '../support/http-server.ts'
import { openTo, parseResponse, readAll, sendFrom } from '../support/raw-http.ts'

const timeoutMs = 20_000
const [attacker, innocent] = ['127.0.0.9', '127.0.0.1'] as const

/** What a piece of a body takes besides its bytes. */
const pieceBytes = 512
const share = 40_000

const headOf = (length: number | string, path = '/things') =>
  `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n${
    typeof length === 'number' ? `Content-Length: ${length}` : length
  }\r\n\r\n`

const json = '{"a":1}'
const complete = `POST /things HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`

const start = async (evictAfterMs: number) => {
  const handlers = new Set<() => void>()
  const server = await startServer({
    limits: { maxRequestBytes: 4 * share, evictAfterMs },
    routes: async (app: FastifyInstance) => {
      app.post('/things', async ({ body }) => ({ body }))
      app.post('/slow', async () => {
        const { promise, resolve } = Promise.withResolvers<void>()
        handlers.add(resolve)
        await promise
        handlers.delete(resolve)
        return 'done'
      })
    },
  })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo
  const sockets: Socket[] = []
  const metric = (name: string) => server.metrics.registry.getSingleMetricAsString(name)
  const heldBytes = async () =>
    Number(/^request_body_bytes\S* (\d+)$/m.exec(await metric('request_body_bytes'))?.[1])
  const assertHeld = (bytes: number) =>
    eventually(timeoutMs, async () => assert.equal(await heldBytes(), bytes))
  return {
    ...server,
    metric,
    heldBytes,
    assertHeld,
    handlers,
    open: async (client: string, text: string): Promise<Socket> => {
      const socket = await openTo(port, '127.0.0.1', client)(text)
      sockets.push(socket)
      return socket
    },
    closeAll: async () => {
      for (const socket of sockets.splice(0)) socket.resetAndDestroy()
      await assertHeld(0)
    },
  }
}

describe('the bodies of requests', async () => {
  const server = await start(60_000)
  const { app, open, assertHeld, heldBytes } = server
  after(() => server[Symbol.asyncDispose]())
  afterEach(server.closeAll)

  it('count as far as they have been received, until the response is closed', async () => {
    const socket = await open(attacker, headOf(30_000))
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 1))
    assert.equal(await heldBytes(), 0)
    socket.write(`"${'x'.repeat(10_000)}`)
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > 10_000))
    assert.ok((await heldBytes()) < 10_000 + 5 * pieceBytes)
    socket.write(`${'x'.repeat(19_998)}"`)
    const [response] = await once(socket, 'data')
    assert.match(String(response), /^HTTP\/1\.1 200/)
    await assertHeld(0)
    const long = JSON.stringify('x'.repeat(5_000))
    const slow = await open(attacker, headOf(long.length, '/slow') + long)
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > long.length))
    for (const finish of server.handlers) finish()
    await once(slow, 'data')
    await assertHeld(0)
  })

  it('of ordinary writes do not count', async () => {
    const slow = await open(attacker, headOf(json.length, '/slow') + json)
    await eventually(timeoutMs, async () => assert.equal(server.handlers.size, 1))
    assert.equal(await heldBytes(), 0)
    for (const finish of server.handlers) finish()
    await once(slow, 'data')
  })

  it('that take more than the share of their client are refused and not read further; others are served', async () => {
    await open(attacker, headOf(35_000) + 'x'.repeat(34_000))
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > 34_000))
    const held = await heldBytes()
    const socket = await open(attacker, headOf(50_000) + 'x'.repeat(20_000))
    const { status, headers, body } = parseResponse(await readAll(socket))
    assert.deepEqual([status, headers['connection'], headers['retry-after']], [429, 'close', '1'])
    const { code, request_id, detail } = JSON.parse(body)
    assert.deepEqual(
      [code, request_id, detail],
      [
        'rate_limited',
        headers['x-request-id'],
        'too many request bodies in progress from your address, try again later',
      ],
    )
    await assertHeld(held)
    assert.equal((await sendFrom(app, attacker, complete)).status, 200)
    assert.equal((await sendFrom(app, innocent, complete)).body, `{"body":${json}}`)
    assert.match(
      await server.metric('requests_refused_total'),
      /reason="request_bytes",scope="client"\S* 1$/m,
    )
    assert.deepEqual(
      server.lines.filter(({ level }) => Number(level) >= 40),
      [],
    )
  })

  it('that come in small pieces count for what each piece takes', async () => {
    const chunked = headOf('Transfer-Encoding: chunked')
    const { status } = parseResponse(await readAll(await open(attacker, chunked + '1\r\n \r\n'.repeat(100))))
    assert.equal(status, 429)
    const few = `${'1\r\n \r\n'.repeat(20)}${json.length}\r\n${json}\r\n0\r\n\r\n`
    const [response] = await once(await open(attacker, chunked + few), 'data')
    assert.match(String(response), /^HTTP\/1\.1 200/)
  })

  it('that no client has to send, or nobody reads, do not count', async () => {
    await open(
      attacker,
      `GET /health/live HTTP/1.1\r\nHost: test\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(45_000)}`,
    )
    await open(attacker, headOf(50_000, '/nowhere') + 'x'.repeat(45_000))
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 0))
    assert.equal(await heldBytes(), 0)
  })

  it('of pipelined requests, and those after 100 Continue, are read as before', async () => {
    const requests = [1, 2, 3].map((n) => headOf(7) + `{"a":${n}}`)
    const pipelined = await open(
      attacker,
      requests.join('') + 'GET /health/live HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n',
    )
    const text = await readAll(pipelined)
    assert.deepEqual(
      [...text.matchAll(/"a":(\d)/g)].map(([, n]) => n),
      ['1', '2', '3'],
    )
    const expecting = await open(
      attacker,
      headOf('Content-Length: 7\r\nConnection: close\r\nExpect: 100-continue'),
    )
    const [interim] = await once(expecting, 'data')
    assert.match(String(interim), /^HTTP\/1\.1 100/)
    expecting.write(json)
    assert.match(await readAll(expecting), /^HTTP\/1\.1 200/)
  })

  it('that fill the total keep others out; those may send again when it is free', async () => {
    for (const client of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'])
      await open(client, headOf(50_000) + 'x'.repeat(36_000))
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > 4 * 36_000))
    const body = `"${'x'.repeat(20_000)}"`
    const { status, body: problem } = parseResponse(
      await readAll(await open(innocent, headOf(body.length) + body)),
    )
    assert.deepEqual([status, JSON.parse(problem).code], [503, 'unavailable'])
    await server.closeAll()
    assert.match(
      String((await once(await open(innocent, headOf(body.length) + body), 'data'))[0]),
      /^HTTP\/1\.1 200/,
    )
  })
})

describe('when bodies use all bytes', async () => {
  const server = await start(0)
  after(() => server[Symbol.asyncDispose]())

  it('the oldest that has not arrived is refused, but no request that is being served', async () => {
    const { app, open, heldBytes, handlers } = server
    const body = `"${'x'.repeat(35_000)}"`
    await open('127.0.0.2', headOf(body.length, '/slow') + body)
    await eventually(timeoutMs, async () => assert.equal(handlers.size, 1))
    const oldest = await open('127.0.0.3', headOf(50_000) + 'x'.repeat(35_000))
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > 2 * 35_000))
    for (const client of ['127.0.0.4', '127.0.0.5']) await open(client, headOf(50_000) + 'x'.repeat(35_000))
    await eventually(timeoutMs, async () => assert.ok((await heldBytes()) > 4 * 35_000))
    const large = headOf(body.length).replace('Host: test\r\n', '') + body
    assert.equal((await sendFrom(app, innocent, large)).status, 200)
    assert.equal(parseResponse(await readAll(oldest)).status, 503)
    for (const finish of handlers) finish()
    await eventually(timeoutMs, async () =>
      assert.deepEqual(
        server.lines
          .filter(({ msg }) => msg === 'request')
          .map(({ route, status }) => `${String(route)} ${String(status)}`)
          .toSorted(),
        ['/slow 200', '/things 200', '/things 503'],
      ),
    )
    await server.closeAll()
  })
})
