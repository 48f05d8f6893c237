import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isLocalHost } from '../../src/config/local-host.ts'
import { startServer } from '../support/http-server.ts'
import { listen, parseResponse, readAll } from '../support/raw-http.ts'

const local = [
  'localhost',
  'localhost.',
  'LocalHost',
  'shop.localhost',
  'a.b.LOCALHOST.',
  '127.0.0.1',
  '127.255.255.254',
  '[::1]',
]
const foreign = [
  'shop.example',
  'localhost.shop.example',
  'notlocalhost',
  '.localhost',
  'localhost..',
  'local%68ost',
  '127.0.0.1.nip.io',
  '127.1',
  '128.0.0.1',
  '0.0.0.0',
  '192.0.2.7',
  '[::]',
  '[::2]',
  '[fe80::1]',
  '',
]

describe('a server that takes only local names', async () => {
  const events: string[] = []
  const server = await startServer({
    routes: async (app) => {
      app.addHook('onRequest', async ({ method }) => void events.push(method))
      app.get('/things', async () => ({}))
      app.post('/things', async () => ({}))
      app.delete('/things', async () => ({}))
    },
    config: { localNamesOnly: true },
  })
  after(() => server[Symbol.asyncDispose]())
  const open = await listen(server.app)
  const send = async (line: string, host: string, ...headers: readonly string[]) => {
    const lines = [`${line} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers]
    return parseResponse(await readAll(await open(`${lines.join('\r\n')}\r\n\r\n`)))
  }

  it('serves them, with any port', async () => {
    for (const host of local)
      for (const port of ['', ':', ':80', ':8080'])
        assert.equal((await send('GET /things', `${host}${port}`)).status, 200, `${host}${port}`)
  })

  it('refuses any other name with a problem', async () => {
    for (const host of foreign)
      for (const port of ['', ':8080']) {
        const { status, headers, body } = await send('GET /things', `${host}${port}`)
        assert.deepEqual([status, headers['connection']], [403, 'close'], `${host}${port}`)
        assert.deepEqual(
          [JSON.parse(body).code, JSON.parse(body).detail],
          [
            'forbidden',
            'the host must be a local name such as localhost; with HOST=0.0.0.0 the service takes others too',
          ],
        )
      }
  })

  it('refuses before anything else is done, on every path and with every method, preflights included', async () => {
    events.length = 0
    for (const line of [
      'GET /things',
      'DELETE /things',
      'POST /things',
      'PUT /things',
      'GET /nothing',
      'GET /things/%zz',
      'GET /health',
      'GET /health/live',
      'GET /metrics',
      'GET /docs',
      'GET /openapi.json',
      'OPTIONS *',
    ])
      assert.equal((await send(line, 'shop.example')).status, 403, line)
    const preflight = ['Origin: http://shop.example', 'Access-Control-Request-Method: DELETE']
    const { status, headers } = await send('OPTIONS /things', 'shop.example', ...preflight)
    assert.deepEqual([status, headers['access-control-allow-methods']], [403, undefined])
    const continued = await send('POST /things', 'shop.example', 'Expect: 100-continue', 'Content-Length: 2')
    assert.equal(continued.status, 403)
    assert.deepEqual(events, [])
  })

  it('takes the host of a target with one for the name', async () => {
    for (const [target, host, status] of [
      ['http://localhost:8080/things', 'localhost', 200],
      ['http://[::1]/things', 'localhost', 200],
      ['http://shop.example/things', 'localhost', 403],
      ['http://localhost@shop.example/things', 'localhost', 403],
      ['http://localhost/things', 'shop.example', 403],
      ['/things?next=http://shop.example/', 'localhost', 200],
    ] as const)
      assert.equal((await send(`GET ${target}`, host)).status, status, `${target} ${host}`)
  })

  it('serves HTTP/1.0 without a Host, which no browser sends', async () => {
    const response = await readAll(await open('GET /things HTTP/1.0\r\n\r\n'))
    assert.equal(parseResponse(response).status, 200)
  })
})

describe('a local host', () => {
  it('is every address of 127.0.0.0/8, and no other IPv4 address', () => {
    const address = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
    fc.assert(
      fc.property(address, (parts) => {
        assert.equal(isLocalHost(parts.join('.')), parts[0] === 127)
        assert.ok(isLocalHost(['127', ...parts.slice(1)].join('.')))
      }),
    )
  })

  it('is no name that somebody can register', () => {
    fc.assert(fc.property(fc.domain(), (name) => !isLocalHost(name)))
  })

  it('is the same with and without brackets for IPv6', () => {
    for (const host of ['::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])
      assert.ok(isLocalHost(host), host)
    for (const host of ['::', '::2', '[::', '[localhost]', '/var/run', ''])
      assert.ok(!isLocalHost(host), host)
  })
})

describe('a server without this limit', () => {
  it('serves any name', async () => {
    await using server = await startServer({
      routes: async (app) => void app.get('/things', async () => ({})),
    })
    const response = await server.app.inject({ url: '/things', headers: { host: 'shop.example' } })
    assert.equal(response.statusCode, 200)
  })
})
