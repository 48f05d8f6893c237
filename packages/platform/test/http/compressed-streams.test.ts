import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { startServer } from '../support/http-server.ts'

const timeoutMs = 20_000
const json = 'application/json'

/** Sends a GET to the listening server. Resolves with the response once its headers arrive. */
const request = async (app: FastifyInstance, path: string, coding: string): Promise<IncomingMessage> => {
  const { port } = app.server.address() as AddressInfo
  const [response] = await once(
    get({ port, host: '127.0.0.1', path, headers: { 'accept-encoding': coding }, agent: false }),
    'response',
  )
  return response
}

const listen = (app: FastifyInstance) => app.listen({ host: '127.0.0.1', port: 0 })

const statusesOf = (lines: readonly Record<string, unknown>[]) =>
  lines.filter(({ msg }) => msg === 'request').map(({ status }) => status)

const faultsIn = (lines: readonly Record<string, unknown>[]) =>
  lines.filter(({ level }) => Number(level) >= 40)

/** Sends `{"n":0},{"n":1},…`, each chunk when it is asked for, and remembers whether the stream is closed. */
const endlessStream = () => {
  let n = 0
  return new Readable({
    read() {
      setTimeout(() => this.destroyed || this.push(`{"n":${n++}},${' '.repeat(10_000)}`), 1)
    },
  })
}

describe('a compressed stream', () => {
  for (const [coding, decoder] of [
    ['gzip', createGunzip],
    ['br', createBrotliDecompress],
  ] as const) {
    it(`in ${coding} delivers each chunk at once, and ends when the stream ends`, async () => {
      const stream = new Readable({ read() {} })
      await using server = await startServer({
        routes: async (app) => void app.get('/stream', (_request, reply) => reply.type(json).send(stream)),
      })
      await listen(server.app)
      stream.push('{"first":1}')
      const response = await request(server.app, '/stream', coding)
      assert.equal(response.headers['content-encoding'], coding)
      assert.equal(response.headers['content-length'], undefined)
      const decoded = response.pipe(decoder())
      assert.equal(String((await once(decoded, 'data'))[0]), '{"first":1}')
      stream.push('{"last":2}')
      assert.equal(String((await once(decoded, 'data'))[0]), '{"last":2}')
      stream.push(null)
      await once(decoded, 'end')
      await eventually(timeoutMs, async () => assert.deepEqual(statusesOf(server.lines), [200]))
    })

    it(`in ${coding} ends when the client leaves, which is no fault`, async () => {
      const stream = endlessStream()
      await using server = await startServer({
        routes: async (app) => void app.get('/stream', (_request, reply) => reply.type(json).send(stream)),
      })
      await listen(server.app)
      const response = await request(server.app, '/stream', coding)
      await once(response, 'data')
      response.destroy()
      await eventually(timeoutMs, async () => assert.deepEqual(statusesOf(server.lines), [499]))
      await eventually(timeoutMs, async () => assert.equal(stream.destroyed, true))
      assert.deepEqual(faultsIn(server.lines), [])
      assert.equal((await server.app.inject('/health/live')).statusCode, 200)
    })
  }

  it('that fails before its first chunk is answered with a readable problem', async () => {
    await using server = await startServer({
      routes: async (app) =>
        void app.get('/stream', (_request, reply) => {
          const stream = new Readable({ read() {} })
          setImmediate(() => stream.destroy(new Error('secret')))
          return reply.type(json).send(stream)
        }),
    })
    const response = await server.app.inject({ url: '/stream', headers: { 'accept-encoding': 'gzip' } })
    assert.equal(response.headers['content-encoding'], undefined)
    const detail = 'something went wrong on our side'
    assertProblem(response, { status: 500, code: 'internal', detail, instance: '/stream' })
  })

  it('that fails later is cut, so that the client notices', async () => {
    const stream = new Readable({ read() {} })
    await using server = await startServer({
      routes: async (app) => void app.get('/stream', (_request, reply) => reply.type(json).send(stream)),
    })
    await listen(server.app)
    stream.push('{"first":1}')
    const response = await request(server.app, '/stream', 'gzip')
    await once(response, 'data')
    stream.destroy(new Error('secret'))
    await assert.rejects(once(response.resume(), 'end'), { code: 'ECONNRESET' })
  })

  it('is not read for HEAD', async () => {
    const stream = Readable.from(['{"first":1}'])
    await using server = await startServer({
      routes: async (app) =>
        void app.get('/stream', (_request, reply) =>
          reply.type(json).header('content-length', 11).header('accept-ranges', 'bytes').send(stream),
        ),
    })
    const headers = { 'accept-encoding': 'gzip' }
    const response = await server.app.inject({ method: 'HEAD', url: '/stream', headers })
    assert.deepEqual([response.statusCode, response.headers['content-encoding']], [200, 'gzip'])
    for (const name of ['content-length', 'accept-ranges']) assert.equal(response.headers[name], undefined)
  })
})

for (const [name, coding] of [
  ['before its compressed response is complete', 'br'],
  ['before its response is complete', 'identity'],
] as const)
  it(`a client that leaves ${name} is logged as 499, and is no fault`, async () => {
    // More than the buffers of the connection take.
    const body = Buffer.from(`"${randomBytes(8_000_000).toString('base64')}"`)
    await using server = await startServer({
      routes: async (app) => void app.get('/large', (_request, reply) => reply.type(json).send(body)),
    })
    await listen(server.app)
    const { port } = server.app.server.address() as AddressInfo
    const client = connect(port, '127.0.0.1').pause()
    client.write(`GET /large HTTP/1.1\r\nHost: test\r\nAccept-Encoding: ${coding}\r\n\r\n`)
    await eventually(timeoutMs, async () => assert.equal(await server.activeRequests(), 1))
    client.resetAndDestroy()
    await eventually(timeoutMs, async () => assert.deepEqual(statusesOf(server.lines), [499]))
    const next = await server.app.inject({ url: '/large', headers: { 'accept-encoding': coding } })
    assert.equal(next.statusCode, 200)
    assert.deepEqual(faultsIn(server.lines), [])
  })
