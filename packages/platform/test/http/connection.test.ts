import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startServer } from '../support/http-server.ts'

const head = 'POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n'

/** Everything that comes until the server closes the connection. */
const answerOn = async (socket: Socket) => {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
  const [headers = '', body = ''] = text.split('\r\n\r\n')
  return { headers, problem: JSON.parse(body) }
}

describe('over a real connection', async () => {
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
  const settled = async () => {
    for (let waited = 0; (await server.activeRequests()) > 0 && waited < 20_000; waited += 10) await delay(10)
    return server.activeRequests()
  }

  const malformed = {
    'what is not HTTP': 'HELLO\r\n\r\n',
    'a path with a space': 'GET /a b HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a header without a colon': 'GET / HTTP/1.1\r\nHost shop\r\n\r\n',
    'a Content-Length that is no number': `${head}Content-Length: abc\r\n\r\n{}`,
    'a negative Content-Length': `${head}Content-Length: -1\r\n\r\n{}`,
    'two Content-Lengths': `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    'a Content-Length beside chunks': `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  }
  for (const [name, text] of Object.entries(malformed)) {
    it(`${name} is answered with a 400 problem, and the connection is closed`, async () => {
      const { headers, problem } = await answerOn(await open(text))
      assert.match(headers, /^HTTP\/1\.1 400 Bad Request\r\n/)
      assert.match(headers, /^Content-Type: application\/problem\+json\r$/m)
      assert.match(headers, /^Connection: close$/m)
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

  it('more than 16 KiB of headers are answered with a 431 problem', async () => {
    const socket = await open(`GET / HTTP/1.1\r\nHost: shop\r\nX-Filler: ${'x'.repeat(17_000)}\r\n\r\n`)
    const { headers, problem } = await answerOn(socket)
    assert.match(headers, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
    assert.deepEqual([problem.status, problem.code], [431, 'invalid'])
  })

  it('a body that is announced as too large is refused before it comes', async () => {
    const { headers, problem } = await answerOn(await open(`${head}Content-Length: 65537\r\n\r\n{`))
    assert.match(headers, /^HTTP\/1\.1 413 Payload Too Large\r\n/)
    assert.equal(problem.code, 'payload_too_large')
  })

  it('a body in chunks is refused once it is too large', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const { headers, problem } = await answerOn(
      await open(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`),
    )
    assert.match(headers, /^HTTP\/1\.1 413 Payload Too Large\r\n/)
    assert.equal(problem.code, 'payload_too_large')
  })

  it('a caller who leaves before the answer, or in the middle of the body, is no longer counted as active', async () => {
    for (const text of [
      'GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n',
      `${head}Content-Length: 10\r\n\r\n{`,
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`,
    ]) {
      const socket = await open(text)
      while ((await server.activeRequests()) === 0) await delay(5)
      socket.destroy()
      assert.equal(await settled(), 0, text)
    }
  })

  it('a body that breaks off into nonsense is a 400, and no longer counted as active', async () => {
    const socket = await open(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    while ((await server.activeRequests()) === 0) await delay(5)
    socket.write('nonsense\r\n')
    assert.match((await answerOn(socket)).headers, /^HTTP\/1\.1 400 /)
    assert.equal(await settled(), 0)
  })
})
