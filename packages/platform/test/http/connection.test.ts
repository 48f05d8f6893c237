import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'

const head = 'POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n'

/** Reads until the server closes the connection; returns the headers and the parsed problem. */
const readProblem = async (socket: Socket) => {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
  const [headers = '', body = ''] = text.split('\r\n\r\n')
  return { headers, problem: JSON.parse(body) }
}

describe('a server on a real connection', async () => {
  const server = await startServer({
    routes: async (app) => {
      app.post('/echo', async ({ body }) => ({ body }))
      app.get('/slow', async () => {
        await delay(100)
        return { text: 'x'.repeat(100_000) }
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo

  const open = async (text: string) => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }
  const untilIdle = (description: string) =>
    eventually(20_000, async () => assert.equal(await server.activeRequests(), 0, description))

  const malformed = {
    'a request that is not HTTP': 'HELLO\r\n\r\n',
    'a path with a space': 'GET /a b HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a header without a colon': 'GET / HTTP/1.1\r\nHost shop\r\n\r\n',
    'a Content-Length that is not a number': `${head}Content-Length: abc\r\n\r\n{}`,
    'a negative Content-Length': `${head}Content-Length: -1\r\n\r\n{}`,
    'two Content-Length headers': `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    'a Content-Length with chunked encoding': `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  }
  for (const [name, text] of Object.entries(malformed)) {
    it(`answers ${name} with a 400 problem and closes the connection`, async () => {
      const { headers, problem } = await readProblem(await open(text))
      assert.match(headers, /^HTTP\/1\.1 400 Bad Request\r\n/)
      assert.match(headers, /^content-type: application\/problem\+json\r$/m)
      assert.match(headers, /^connection: close$/m)
      assert.match(headers, /^x-content-type-options: nosniff\r$/m)
      assert.match(headers, /^cache-control: no-store\r$/m)
      assert.match(headers, /^access-control-allow-origin: \*\r$/m)
      assert.match(headers, new RegExp(`^x-request-id: ${problem.request_id}\r$`, 'm'))
      assert.match(problem.request_id, /^[0-9a-f-]{36}$/)
      assert.deepEqual(problem, {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: 'the request or its JSON body cannot be parsed',
        code: 'invalid',
        instance: '/',
        request_id: problem.request_id,
      })
    })
  }

  it('answers more than 16 KiB of headers with a 431 problem', async () => {
    const socket = await open(`GET / HTTP/1.1\r\nHost: shop\r\nX-Filler: ${'x'.repeat(17_000)}\r\n\r\n`)
    const { headers, problem } = await readProblem(socket)
    assert.match(headers, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
    assert.deepEqual([problem.status, problem.code], [431, 'invalid'])
  })

  it('refuses a body before it arrives if its Content-Length is too large', async () => {
    const { headers, problem } = await readProblem(await open(`${head}Content-Length: 65537\r\n\r\n{`))
    assert.match(headers, /^HTTP\/1\.1 413 Payload Too Large\r\n/)
    assert.equal(problem.code, 'payload_too_large')
  })

  it('refuses a chunked body as soon as it is too large', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const { headers, problem } = await readProblem(
      await open(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`),
    )
    assert.match(headers, /^HTTP\/1\.1 413 Payload Too Large\r\n/)
    assert.equal(problem.code, 'payload_too_large')
  })

  it('does not count a request as active after its client disconnects, even in the middle of the body', async () => {
    for (const text of [
      'GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n',
      `${head}Content-Length: 10\r\n\r\n{`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`,
    ]) {
      const socket = await open(text)
      while ((await server.activeRequests()) === 0) await delay(5)
      socket.destroy()
      await untilIdle(text)
    }
  })

  it('answers a malformed chunk with a 400, and no longer counts the request as active', async () => {
    const socket = await open(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    while ((await server.activeRequests()) === 0) await delay(5)
    socket.write('nonsense\r\n')
    assert.match((await readProblem(socket)).headers, /^HTTP\/1\.1 400 /)
    await untilIdle('broken chunk')
  })
})
