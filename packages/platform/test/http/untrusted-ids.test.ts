import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { after, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { requestContext } from '../../src/request-context.ts'
import { startServer } from '../support/http-server.ts'
import { parseResponse, readAll } from '../support/raw-http.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const stranger = '127.0.0.1'
const proxy = '127.0.0.2'

/** The head of a request that is sent under the id of another. */
const head = (line: string, ...headers: readonly string[]) =>
  [`${line} HTTP/1.1`, 'Host: shop', 'Connection: close', 'X-Request-ID: victim', ...headers, '', ''].join(
    '\r\n',
  )

const json = 'Content-Type: application/json'

/** Requests, with the status and the route of each: answered by a route, by a hook, by Fastify, or by the socket. */
const requests: Readonly<Record<string, readonly [text: string, status: number, route: string]>> = {
  'an answer': [head('GET /seen'), 200, '/seen'],
  'a fault': [head('GET /fault'), 500, '/fault'],
  'a health check': [head('GET /health/live'), 200, '/health/live'],
  'an unknown path': [head('GET /nothing'), 404, 'unmatched'],
  'a malformed path': [head('GET /%zz'), 400, 'unmatched'],
  'another method': [head('DELETE /seen'), 405, '/seen'],
  'a preflight': [
    head('OPTIONS /seen', 'Origin: https://a.example', 'Access-Control-Request-Method: GET'),
    204,
    '/seen',
  ],
  'a second Host': [head('GET /seen', 'Host: other'), 400, '/seen'],
  'an unknown transfer coding': [head('POST /things', 'Transfer-Encoding: gzip, chunked'), 501, '/things'],
  'an unknown Expect': [head('GET /seen', 'Expect: more'), 417, '/seen'],
  CONNECT: [head('CONNECT other.example:443'), 405, 'unmatched'],
  'a body that is no JSON': [`${head('POST /things', json, 'Content-Length: 1')}{`, 400, '/things'],
  'a body that is too large': [head('POST /things', json, 'Content-Length: 70000'), 413, '/things'],
  'a body that is not HTTP': [
    `${head('POST /things', json, 'Transfer-Encoding: chunked')}zz\r\n`,
    400,
    '/things',
  ],
  'a body that does not arrive': [`${head('POST /things', json, 'Content-Length: 10')}{`, 408, '/things'],
}

describe('the id that a client sends', async () => {
  const seen: unknown[] = []
  const server = await startServer({
    config: { trustProxy: `${proxy}/32` },
    routes: async (app) => {
      app.get('/seen', async () => {
        seen.push(requestContext.getStore()?.requestId)
        return {}
      })
      app.get('/fault', async () => {
        throw new Error('bug')
      })
      app.post('/things', async () => ({}))
    },
  })
  after(() => server.app.close())
  // On `::`, the addresses of these clients are `::ffff:127.0.0.1` and `::ffff:127.0.0.2`.
  await server.app.listen({ host: '::', port: 0 })
  const { port } = server.app.server.address() as AddressInfo

  const open = async (localAddress: string) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }

  /** Sends the text. Returns the id in the response and in its body, if that is a problem, and the lines in the log. */
  const exchange = async (from: string, text: string) => {
    server.lines.length = 0
    const socket = await open(from)
    socket.write(text)
    const { status, headers, body } = parseResponse(await readAll(socket))
    const isProblem = headers['content-type']?.startsWith('application/problem+json') === true
    const id = String(headers['x-request-id'])
    if (isProblem) assert.equal(JSON.parse(body).request_id, id)
    const line = await eventually(5_000, async () => {
      const found = server.lines.find(({ msg }) => msg === 'request')
      assert.ok(found)
      return found
    })
    assert.ok(server.lines.every(({ request_id }) => request_id === undefined || request_id === id))
    return { status, id, line }
  }

  for (const [name, [text, status, route]] of Object.entries(requests)) {
    it(`of ${name} becomes the id of the request only if its peer is trusted`, async (test) => {
      if (status === 408) {
        Object.assign(server.app.server, { requestTimeout: 300, headersTimeout: 300 })
        test.after(() => Object.assign(server.app.server, { requestTimeout: 15_000, headersTimeout: 5_000 }))
      }
      const fromStranger = await exchange(stranger, text)
      assert.match(fromStranger.id, uuid)
      const { line } = fromStranger
      assert.deepEqual(
        [fromStranger.status, line['status'], line['route'], line['request_id'], line['client_request_id']],
        [status, status, route, fromStranger.id, 'victim'],
      )
      assert.equal(JSON.stringify(server.lines).split('victim').length, 2, 'on the line of the request alone')

      const fromProxy = await exchange(proxy, text)
      assert.deepEqual([fromProxy.status, fromProxy.id, fromProxy.line['status']], [status, 'victim', status])
      assert.ok(!('client_request_id' in fromProxy.line))
    })
  }

  it('is not seen by the work of a request whose peer is not trusted', async () => {
    seen.length = 0
    const { id } = await exchange(stranger, head('GET /seen'))
    await exchange(proxy, head('GET /seen'))
    assert.deepEqual(seen, [id, 'victim'])
  })

  it('is not logged if it is malformed', async () => {
    const text = head('GET /seen').replace('victim', 'A'.repeat(129))
    for (const from of [stranger, proxy]) {
      const { id, line } = await exchange(from, text)
      assert.match(id, uuid)
      assert.ok(!('client_request_id' in line))
    }
  })

  it('is judged by the connection, not by addresses in headers', async () => {
    for (const header of [`X-Forwarded-For: ${proxy}`, `Forwarded: for=${proxy}`, `X-Real-IP: ${proxy}`])
      assert.match((await exchange(stranger, head('GET /seen', header))).id, uuid)
  })
})

it('no peer is trusted unless it is configured', async () => {
  await using server = await startServer({ routes: async (app) => void app.get('/seen', async () => ({})) })
  const { headers } = await server.app.inject({ url: '/seen', headers: { 'x-request-id': 'victim' } })
  assert.match(String(headers['x-request-id']), uuid)
})
