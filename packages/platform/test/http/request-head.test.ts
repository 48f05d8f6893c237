import assert from 'node:assert/strict'
import { STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { listen, parseResponse, readAll } from '../support/raw-http.ts'

describe('a request head', async () => {
  let received = 0
  const server = await startServer({
    routes: async (app) => {
      app.get('/things', async () => ({}))
      app.get('/large', (_request, reply) => reply.send(Readable.from(Array(200).fill('x'.repeat(65_536)))))
      app.post('/things', async ({ body }) => {
        received += 1
        return { body }
      })
    },
  })
  after(() => server[Symbol.asyncDispose]())
  const open = await listen(server.app)

  /** Sends the text. Reads until the server closes the connection, which it does by itself on a refusal. */
  const responseTo = async (text: string) => parseResponse(await readAll(await open(text)))
  const get = (...headers: readonly string[]) =>
    responseTo(`GET /things HTTP/1.1\r\n${[...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`)
  const chunks = '2\r\n{}\r\n0\r\n\r\n'
  const post = (...headers: readonly string[]) =>
    `POST /things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n${headers.join('\r\n')}\r\n\r\n`

  const assertRefused = async (
    { status, headers, body }: Awaited<ReturnType<typeof responseTo>>,
    expected: Readonly<{ status: number; code: string; detail: string; route?: string }>,
  ) => {
    const { route = '/things', ...members } = expected
    assert.equal(status, expected.status, body)
    assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8')
    assert.equal(headers['connection'], 'close')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.deepEqual(JSON.parse(body), {
      type: 'about:blank',
      title: STATUS_CODES[status],
      ...members,
      instance: '/things',
      request_id: headers['x-request-id'],
    })
    const logged = () => server.lines.find(({ request_id }) => request_id === headers['x-request-id'])
    await eventually(5_000, async () =>
      assert.deepEqual([logged()?.['route'], logged()?.['status']], [route, status]),
    )
  }

  it('must have a Host header in HTTP/1.1', async () => {
    await assertRefused(await get('Accept: */*'), {
      status: 400,
      code: 'invalid',
      detail: 'the request must have a Host header',
    })
  })

  it('needs no Host header in HTTP/1.0', async () => {
    assert.equal((await responseTo('GET /things HTTP/1.0\r\n\r\n')).status, 200)
  })

  it('must not have two Host headers, in HTTP/1.0 either', async () => {
    const refusal = {
      status: 400,
      code: 'invalid',
      detail: 'the request must not have more than one Host header',
    }
    await assertRefused(await get('Host: a', 'Host: b'), refusal)
    await assertRefused(await get('HOST: a', 'Accept: */*', 'host: a'), refusal)
    await assertRefused(await responseTo('GET /things HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n'), refusal)
  })

  it('must have a Host header of the form host[:port]', async () => {
    for (const host of [
      'a@b',
      'a@b/c',
      'a/b',
      'http://a',
      'a b',
      'a:b',
      'a:80:80',
      'a:-1',
      'a:80/',
      'a?b',
      'a#b',
      'a\\b',
      'ä',

      '::1',
      '[::1',
      '::1]',
      '[]',
      '[1.2.3.4]',
      '[::g]',
      '[::1]a',
      '[::1]:x',
      '%zz',
      '<a>',
      '"a"',
      'a\tb',
    ])
      await assertRefused(await get(`Host: ${host}`), {
        status: 400,
        code: 'invalid',
        detail: 'the Host header must be a host with an optional port',
      })
    for (const host of [
      '',
      'a',
      'a:',
      'a:80',
      ':80',
      'shop.example',
      'SHOP.example.:8080',
      'basket_service-1',
      'a%20b',
      "a!$&'()*+,;=b",
      '127.0.0.1',
      '127.0.0.1:8080',
      '[::1]',
      '[::1]:8080',
      '[::ffff:1.2.3.4]:',
      '[v1.a:b]',
      '  a  ',
    ])
      assert.equal((await get(`Host: ${host}`)).status, 200, host)
  })

  it('must not have a transfer coding except chunked; the body is not read', async () => {
    const before = received
    for (const coding of [
      'gzip, chunked',
      'identity, chunked',
      'GZIP,chunked',
      'gzip\r\nTransfer-Encoding: chunked',
    ])
      await assertRefused(await responseTo(post(`Transfer-Encoding: ${coding}`)), {
        status: 501,
        code: 'not_implemented',
        detail:
          'unsupported transfer coding; send the body with Content-Length or Transfer-Encoding: chunked',
      })
    // Their end cannot be found, so RFC 9112 §6.3 allows a 400, too.
    for (const coding of ['gzip', 'identity', 'chunked, gzip', 'chunked, chunked', 'chunked;a=b']) {
      const { status, headers } = await responseTo(post(`Transfer-Encoding: ${coding}`) + chunks)
      assert.ok([400, 501].includes(status), coding)
      assert.match(String(headers['content-type']), /^application\/problem\+json/)
    }
    assert.equal(received, before)
    for (const coding of ['chunked', 'Chunked', ' CHUNKED '])
      assert.equal(
        (await responseTo(post(`Transfer-Encoding: ${coding}`, 'Connection: close') + chunks)).status,
        200,
      )
  })

  it('must not have a transfer coding in HTTP/1.0', async () => {
    const before = received
    const text = post('Connection: keep-alive', 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0')
    await assertRefused(await responseTo(text + chunks), {
      status: 400,
      code: 'invalid',
      detail: 'a request over HTTP/1.0 must not have a Transfer-Encoding',
    })
    assert.equal(received, before)
  })

  it('with a malformed target is refused like any other: logged, with all headers, and closed if its head is bad', async () => {
    const long = '9'.repeat(2_049)
    for (const [target, status, instance] of [
      ['/things/%zz', 400, '/things/%zz'],
      [`/things/${long}`, 414, `/things/${long}`],
      ['/things/#1', 400, '/things/'],
      ['/things?a=1#1', 400, '/things'],
      ['http://user:secret@other.example/nothing?a=1', 404, '/nothing'],
    ] as const)
      for (const [hosts, expected] of [
        ['Host: a', status],
        ['Host: a\r\nHost: b', 400],
      ] as const) {
        const connection = hosts === 'Host: a' ? 'Connection: close\r\n' : ''
        const text = `PUT ${target} HTTP/1.1\r\n${hosts}\r\n${connection}\r\n`
        const response = await responseTo(text)
        assert.equal(response.status, expected, target)
        assert.equal(response.headers['x-content-type-options'], 'nosniff')
        assert.equal(response.headers['access-control-allow-origin'], '*')
        assert.equal(response.headers['cache-control'], 'no-store')
        assert.equal(JSON.parse(response.body).instance, instance)
        const id = response.headers['x-request-id']
        await eventually(5_000, async () =>
          assert.equal(server.lines.find(({ request_id }) => request_id === id)?.['status'], expected),
        )
      }
  })

  it('must not expect anything except 100-continue', async () => {
    const before = received
    for (const expectation of ['nonsense', '200-ok', '100-continues'])
      await assertRefused(await responseTo(post(`Expect: ${expectation}`, 'Content-Length: 2')), {
        status: 417,
        code: 'invalid',
        detail: 'unsupported expectation; Expect may only be 100-continue',
      })
    assert.equal(received, before)
    for (const expectation of ['100-continue', '100-Continue']) {
      const socket = await open(post(`Expect: ${expectation}`, 'Content-Length: 2', 'Connection: close'))
      await delay(10)
      socket.write('{}')
      const text = await readAll(socket)
      assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    }
    assert.equal((await responseTo('GET /things HTTP/1.0\r\nExpect: nonsense\r\n\r\n')).status, 200)
  })

  it('that is refused is not told to continue', async () => {
    for (const [headers, status] of [
      [['Content-Length: 99999999', 'Expect: 100-continue'], 413],
      [['Content-Length: 2', 'Expect: 100-continue, foo'], 417],
      [['Content-Length: 2', 'Expect: 100-continue', 'Host: b'], 400],
    ] as const)
      assert.equal((await responseTo(post(...headers, 'Connection: close'))).status, status)
  })

  it('may ask for another protocol, and gets HTTP/1.1', async () => {
    for (const protocol of ['websocket', 'h2c'])
      for (const text of [
        `GET /things HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
        `${post('Connection: close, Upgrade', `Upgrade: ${protocol}`, 'Content-Length: 2')}{}`,
      ])
        assert.equal((await responseTo(text)).status, 200, text)
    const { status, headers } = await responseTo('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    assert.deepEqual([status, headers['content-type']], [400, 'application/problem+json'])
  })

  it('with CONNECT is refused with 405, whatever its target', async () => {
    for (const [target, allow, instance] of [
      ['/things', 'GET, HEAD, POST, OPTIONS', '/things'],
      ['other.example:443', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS', 'other.example:443'],
    ]) {
      const { status, headers, body } = await responseTo(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      assert.deepEqual([status, headers['allow'], headers['connection']], [405, allow, 'close'])
      const problem = JSON.parse(body)
      assert.deepEqual([problem.code, problem.instance], ['method_not_allowed', instance])
      assert.equal(problem.request_id, headers['x-request-id'])
    }
    await eventually(5_000, async () => assert.equal(await server.activeRequests(), 0))
  })

  it('with CONNECT waits for the responses to earlier requests of the connection', async () => {
    const things = 'GET /things HTTP/1.1\r\nHost: a\r\n\r\n'
    const text = await readAll(
      await open(`${things}${things}CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n`),
    )
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
    assert.deepEqual(statuses, [200, 200, 405])
    const large = `GET /large HTTP/1.1\r\nHost: a\r\n\r\nCONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n`
    assert.match((await readAll(await open(large))).slice(200 * 65_536), /HTTP\/1\.1 405 /)
    assert.equal((await responseTo(things.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))).status, 200)
  })

  it('with OPTIONS * asks for the methods of the server', async () => {
    const options = 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const { status, headers } = await responseTo(options)
    assert.deepEqual([status, headers['allow']], [204, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'])
    assert.equal((await responseTo(options.replace('OPTIONS', 'GET'))).status, 404)
  })
})
