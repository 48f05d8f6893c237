import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { startServer } from '../support/http-server.ts'
import { openTo, parseResponse, readAll } from '../support/raw-http.ts'

type Options = NonNullable<Parameters<typeof startServer>[0]>

const get = (path: string, ...headers: readonly string[]) =>
  `GET ${path} HTTP/1.1\r\n${['Host: localhost', ...headers].join('\r\n')}\r\n\r\n`

/** Starts a server with an operations port, on which both listen. */
const start = async (options: Options = {}, host = '127.0.0.1') => {
  const operationsPort = await freePort()
  const held = Promise.withResolvers<object>()
  const server = await startServer({
    ...options,
    routes: async (app) => {
      app.get('/things/:id', async () => ({}))
      app.get('/held', () => held.promise)
    },
    config: { ...options.config, operationsPort },
  })
  const port = await server.listen(0, host)
  /** Sends the request line and headers over a connection of its own. */
  const sender =
    (to: number) =>
    async (line: string, ...headers: readonly string[]) => {
      const lines = [`${line} HTTP/1.1`, 'Connection: close', ...headers]
      if (!headers.some((header) => header.startsWith('Host:'))) lines.push('Host: localhost')
      return parseResponse(await readAll(await openTo(to, '127.0.0.1')(`${lines.join('\r\n')}\r\n\r\n`)))
    }
  return {
    ...server,
    port,
    operationsPort,
    toPublic: sender(port),
    toOperations: sender(operationsPort),
    release: () => held.resolve({ done: true }),
    [Symbol.asyncDispose]: async () => {
      held.resolve({})
      await server[Symbol.asyncDispose]()
    },
  }
}

const moved = ['/metrics', '/health', '/health/ready']

/** Without what differs between any two requests. */
const comparable = ({ status, headers, body }: ReturnType<typeof parseResponse>, path: string) => {
  const { date: _, 'x-request-id': id = '', ...rest } = headers
  return {
    status,
    headers: rest,
    body: body.replace(id, 'id').replace(`"instance":"${path}"`, '"instance":""'),
  }
}

describe('the public port of a server with an operations port', async () => {
  for (const corsOrigins of ['*', 'off', 'https://shop.example'])
    it(`knows nothing of health and metrics, whatever the method, with the CORS origins ${corsOrigins}`, async () => {
      await using server = await start({ config: { corsOrigins } })
      const origin = 'Origin: https://shop.example'
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE', 'TRACE', 'PROPFIND'])
        for (const path of moved) {
          const unknown = path.replace(/[a-z]+$/, (word) => 'x'.repeat(word.length))
          const preflight = method === 'OPTIONS' ? ['Access-Control-Request-Method: GET'] : []
          const answer = await server.toPublic(`${method} ${path}`, origin, ...preflight)
          const expected = await server.toPublic(`${method} ${unknown}`, origin, ...preflight)
          assert.deepEqual(comparable(answer, path), comparable(expected, unknown), `${method} ${path}`)
          assert.deepEqual([answer.status, answer.headers['allow']], [404, undefined], `${method} ${path}`)
        }
    })

  const server = await start()
  after(() => server[Symbol.asyncDispose]())

  const spellings = moved.flatMap((path) => [
    path,
    `${path}/`,
    `/${path}`,
    `${path}?x=1`,
    `${path}//`,
    `/.${path}`,
    `/things/..${path}`,
    path.toUpperCase(),
    path.replace('m', '%6d').replace('h', '%68'),
    path.replace('m', '%6D').replace('h', '%68').replace('e', '%65'),
    `${path.replace('m', '%6d').replace('h', '%68')}/`,
    path.replaceAll('/', '%2f').replace('%2f', '/'),
    `${path};x=1`,
    `${path}%00`,
    `http://localhost${path}`,
    `http://x${path}`,
    `https://x${path}/`,
    `HTTP://x:80/${path}`,
    `http://x${path.replace('m', '%6d').replace('h', '%68')}`,
  ])

  it(`does not have them in any of ${spellings.length} spellings`, async () => {
    for (const target of spellings)
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const { status, body } = await server.toPublic(`${method} ${target}`)
        assert.equal(status, 404, `${method} ${target}`)
        assert.doesNotMatch(body, /# TYPE|"checks"/)
      }
  })

  it('has /health/live, which is still operational', async () => {
    const { status, headers, body } = await server.toPublic('GET /health/live')
    assert.deepEqual([status, headers['cache-control'], body], [200, 'no-store', '{"status":"alive"}'])
    const { level } = server.lines.findLast(({ route }) => route === '/health/live') ?? {}
    assert.equal(level, 20)
  })

  it('lists only /health/live in its document, and leads programs to it', async () => {
    const { paths, components } = JSON.parse((await server.toPublic('GET /openapi.json')).body)
    assert.deepEqual(
      Object.keys(paths).filter((path) => /health|metrics/.test(path)),
      ['/health/live'],
    )
    assert.equal(components.schemas.Health, undefined)
    assert.equal(JSON.parse((await server.toPublic('GET /')).body).health, '/health/live')
  })
})

describe('the operations port', async () => {
  const server = await start({
    config: { corsOrigins: '*', hstsMaxAgeSeconds: 60 },
    dependencies: [{ name: 'postgres', required: true, probe: async () => {} }],
  })
  after(() => server[Symbol.asyncDispose]())

  it('has health and metrics, with the headers of the public port, without CORS and HSTS', async () => {
    for (const [path, expected] of [
      ['/metrics', /^# HELP/],
      ['/health', /"status":"healthy".*"postgres"/],
      ['/health/ready', /"status":"healthy"/],
      ['/health/live', /^\{"status":"alive"\}$/],
      ['/metrics/', /^# HELP/],
    ] as const) {
      const { status, headers, body } = await server.toOperations(
        `GET ${path}`,
        'Origin: https://shop.example',
      )
      assert.equal(status, 200, path)
      assert.match(body, expected)
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.match(headers['content-security-policy'] ?? '', /^default-src 'none'/)
      assert.match(headers['x-request-id'] ?? '', /^[\da-f-]{36}$/)
      assert.equal(headers['access-control-allow-origin'], undefined)
      assert.equal(headers['strict-transport-security'], undefined)
      assert.equal((await server.toOperations(`HEAD ${path}`)).status, 200, path)
    }
    const { headers } = await server.toOperations('GET /metrics', 'Accept: application/openmetrics-text')
    assert.match(headers['content-type'] ?? '', /^application\/openmetrics-text/)
  })

  it('has nothing else: no API, no documentation', async () => {
    for (const path of ['/', '/things/1', '/held', '/docs', '/openapi.json', '/favicon.ico', '/metrics/x'])
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const { status, headers } = await server.toOperations(`${method} ${path}`)
        assert.equal(status, 404, `${method} ${path}`)
        if (method === 'GET') assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
      }
  })

  it('answers other methods with 405 and Allow', async () => {
    const refused = await server.toOperations('DELETE /metrics')
    assert.deepEqual([refused.status, refused.headers['allow']], [405, 'GET, HEAD, OPTIONS'])
    const options = await server.toOperations('OPTIONS /health')
    assert.deepEqual([options.status, options.headers['allow']], [204, 'GET, HEAD, OPTIONS'])
  })

  it('logs its requests at debug, and measures them', async () => {
    await server.toOperations('GET /health/ready')
    assert.equal(server.lines.findLast(({ route }) => route === '/health/ready')?.['level'], 20)
    const { body } = await server.toOperations('GET /metrics')
    assert.match(
      body,
      /^http_server_request_duration_seconds_count\{[^}]*http_route="\/health\/ready"[^}]*\} \d/m,
    )
  })

  it('never sheds load, and asks for no credentials', async () => {
    const refuse = () => {
      throw new Error('asked')
    }
    await using other = await start({
      config: { maxEventLoopDelayMs: 1 },
      identity: { identify: refuse, issuer: undefined, audience: undefined },
    })
    let isBlocking = true
    const block = (): void => {
      const end = performance.now() + 40
      while (performance.now() < end);
      if (isBlocking) setImmediate(block)
    }
    block()
    await eventually(20_000, async () => assert.equal((await other.toPublic('GET /things/1')).status, 503))
    const answer = await other.toOperations('GET /health/ready', 'Authorization: Bearer wrong')
    isBlocking = false
    assert.equal(answer.status, 200)
  })

  it('takes only local names if the public port does', async () => {
    await using other = await start({ config: { localNamesOnly: true } }, 'localhost')
    assert.equal((await other.toOperations('GET /metrics', 'Host: shop.example')).status, 403)
    assert.equal((await other.toOperations('GET http://x/metrics')).status, 403)
    assert.equal((await other.toOperations('GET /metrics')).status, 200)
    const socket = await openTo(other.operationsPort, '::1')(get('/health/live', 'Connection: close'))
    assert.equal(parseResponse(await readAll(socket)).status, 200)
  })
})

/** Opens connections to the port, and waits until the server has answered a request on each. */
const openIdle = async (port: number, count: number, path: string): Promise<Socket[]> => {
  const sockets = await Promise.all(Array.from({ length: count }, () => openTo(port, '127.0.0.1')(get(path))))
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  return sockets
}

const openOf = (sockets: readonly Socket[]): number =>
  sockets.filter(({ readableEnded, destroyed }) => !readableEnded && !destroyed).length

describe('the connections of the operations port', () => {
  it('are apart from those of the public port: a client over its share, and a full service, are still observed', async () => {
    await using server = await start({ limits: { maxConnections: 30, maxConnectionsPerClient: 20 } })
    const kept = await openIdle(server.port, 20, '/things/1')
    assert.equal((await server.toPublic('GET /things/1')).status, 429)
    assert.equal((await server.toOperations('GET /health/ready')).status, 200)
    // Beyond the reserve too, where the public port closes connections at once.
    const further = await Promise.all(Array.from({ length: 30 }, () => openTo(server.port, '127.0.0.1')()))
    for (const socket of further) socket.resume()
    await eventually(5_000, async () => assert.equal(openOf(further), 10))
    for (const path of ['/health/ready', '/metrics', '/health', '/health/live'])
      assert.equal((await server.toOperations(`GET ${path}`)).status, 200, path)
    assert.equal(server.limits.connections.used(), 20)
    for (const socket of [...kept, ...further]) socket.destroy()
  })

  it('are bounded: the idle ones of a hundred are closed for newcomers', async () => {
    await using server = await start()
    const idle = await openIdle(server.operationsPort, 100, '/health/live')
    for (const socket of idle) socket.resume()
    // The hundred and first is answered at once, from the reserve.
    assert.equal((await server.toOperations('GET /metrics')).status, 200)
    await delay(1_050)
    assert.equal((await server.toOperations('GET /health/ready')).status, 200)
    await eventually(5_000, async () => assert.ok(openOf(idle) <= 80, String(openOf(idle))))
    // They are none of the public port's.
    assert.equal(server.limits.connections.used(), 0)
    for (const socket of idle) socket.destroy()
  })

  it('are closed beyond the hundred and the reserve', async () => {
    await using server = await start()
    const sockets = await Promise.all(
      Array.from({ length: 150 }, () => openTo(server.operationsPort, '127.0.0.1')()),
    )
    for (const socket of sockets) socket.resume()
    await eventually(5_000, async () => assert.equal(openOf(sockets), 110))
    for (const socket of sockets) socket.destroy()
  })
})

describe('the operations port of a server that', () => {
  it('stops answers until everything else is closed', async () => {
    await using server = await start()
    const running = openTo(server.port, '127.0.0.1')(get('/held'))
    await eventually(5_000, async () => assert.equal(await server.activeRequests(), 1))
    server.beginDrain()
    server.health.stop()
    const closed = server.app.close()
    await eventually(5_000, () => assert.rejects(openTo(server.port, '127.0.0.1')()))
    for (const [path, status] of [
      ['/health/ready', 503],
      ['/health', 503],
      ['/health/live', 200],
      ['/metrics', 200],
    ] as const) {
      const answer = await server.toOperations(`GET ${path}`)
      assert.deepEqual([answer.status, answer.headers['connection']], [status, 'close'], path)
    }
    server.release()
    assert.equal(parseResponse(await readAll(await running)).status, 200)
    await closed
    assert.equal((await server.toOperations('GET /health/ready')).status, 503)
    await server.closeOperations()
    await assert.rejects(openTo(server.operationsPort, '127.0.0.1')())
  })

  it('closes waits a second for running requests', async ({ mock }) => {
    await using server = await start()
    const socket = await openTo(server.operationsPort, '127.0.0.1')('GET /health HTTP/1.1\r\nHost: ')
    // Connections are accepted in the order in which they were opened.
    assert.equal((await server.toOperations('GET /health/live')).status, 200)
    const cut = once(socket.resume(), 'end')
    await delay(20)
    mock.timers.enable({ apis: ['setTimeout'] })
    const closed = server.closeOperations()
    await delay(20)
    mock.timers.tick(999)
    await delay(20)
    assert.equal(socket.readableEnded, false)
    mock.timers.tick(1)
    await closed
    await cut
    socket.destroy()
  })

  it('is replaced stops listening, serves its connections, and tells them to close', async () => {
    await using server = await start({}, 'localhost')
    const [kept] = await openIdle(server.operationsPort, 1, '/health/live')
    server.beginDrain()
    server.stopListening()
    for (const port of [server.port, server.operationsPort])
      for (const host of ['127.0.0.1', '::1']) await assert.rejects(openTo(port, host)(), `${host} ${port}`)
    kept?.write(get('/health/ready'))
    const { status, headers } = parseResponse(await readAll(kept ?? assert.fail()))
    assert.deepEqual([status, headers['connection']], [200, 'close'])
  })
})

describe('a server without an operations port', () => {
  it('has health and metrics on its public port', async () => {
    await using server = await startServer()
    for (const path of [...moved, '/health/live'])
      assert.equal((await server.app.inject(path)).statusCode, 200, path)
    await server.closeOperations()
    assert.equal((await server.app.inject('/metrics')).statusCode, 200)
  })
})
