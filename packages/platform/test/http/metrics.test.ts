import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startRequest, startServer } from '../support/http-server.ts'

const startShop = () =>
  startServer({
    routes: async (app) => {
      app.post('/things', async () => ({}))
      app.get('/things/:id', async () => ({}))
      app.get('/slow', async () => {
        await delay(50)
        return {}
      })
      app.get('/fail', async () => {
        throw new Error('bug')
      })
      app.get('/down', async () => {
        throw new AppError('unavailable', 'the database is down')
      })
    },
  })

describe('request metrics and logs', async () => {
  const server = await startShop()
  const { app } = server
  after(() => server[Symbol.asyncDispose]())
  const linesOf = async (name: string) => {
    const { body } = await app.inject('/metrics')
    return body.split('\n').filter((line) => line.startsWith(name))
  }

  it('metrics count every request by method, status and route pattern, and never contain its path', async () => {
    await app.inject('/things/alice')
    await app.inject('/things/bob/?secret=1')
    await app.inject({ method: 'PUT', url: '/things/carol' })
    await app.inject({
      method: 'POST',
      url: '/things',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    })
    await app.inject('/nothing/dave')
    for (const method of ['PROPFIND', 'SEARCH', 'CONNECT', 'M-SEARCH'])
      for (const url of ['/things', '/nothing/erin']) await app.inject({ method: method as 'GET', url })
    await app.inject({ method: 'OPTIONS', url: '/things/frank' })
    await app.inject({ method: 'OPTIONS', url: '/nothing/grace' })
    await app.inject('/fail')
    await app.inject('/down')

    const counts = await linesOf('http_server_request_duration_seconds_count')
    const labels = 'http_request_method="(.*)",http_route="(.*)",http_response_status_code="(.*)"'
    const rows = counts.map((line) =>
      line.replace(new RegExp(`^.*\\{service="test-service",${labels}\\} (.*)$`), '$1 $2 $3: $4'),
    )
    assert.deepEqual(rows.toSorted(), [
      'GET /down 503: 1',
      'GET /fail 500: 1',
      'GET /things/:id 200: 2',
      'GET unmatched 404: 1',
      'OPTIONS /things/:id 204: 1',
      'OPTIONS unmatched 404: 1',
      'POST /things 400: 1',
      'PUT /things/:id 405: 1',
      '_OTHER /things 405: 4',
      '_OTHER unmatched 404: 3',
      '_OTHER unmatched 405: 1',
    ])
    assert.doesNotMatch((await app.inject('/metrics')).body, /alice|bob|carol|dave|erin|frank|grace|secret/)
  })

  it('metrics measure durations in seconds, and one log line has the same values', async () => {
    await app.inject('/slow')
    const sums = await linesOf('http_server_request_duration_seconds_sum')
    const seconds = Number(
      sums
        .find((line) => line.includes('"/slow"'))
        ?.split(' ')
        .at(-1),
    )
    assert.ok(seconds > 0.04 && seconds < 40, `${seconds} s`)

    const [line, ...more] = server.lines.filter(({ route }) => route === '/slow')
    assert.deepEqual(more, [])
    assert.deepEqual([line?.['msg'], line?.['method'], line?.['status']], ['request', 'GET', 200])
    assert.ok(Math.abs(Number(line?.['duration_ms']) / 1000 - seconds) < 0.001)
  })

  it('log lines of scrapes and health checks have level debug', async () => {
    for (const url of ['/metrics', '/health', '/health/ready', '/health/live']) {
      await app.inject(url)
      assert.equal(server.lines.findLast(({ route }) => route === url)?.['level'], 20)
    }
  })
})

describe('the number of active requests', () => {
  it('counts the requests being served', async () => {
    const response = Promise.withResolvers<object>()
    await using server = await startServer({
      routes: async (app) => void app.get('/held', () => response.promise),
    })
    const responses = [1, 2, 3].map(() => server.app.inject('/held'))
    await eventually(20_000, async () => assert.equal(await server.activeRequests(), 3))
    response.resolve({})
    await Promise.all(responses)
    assert.equal(await server.activeRequests(), 0)
  })

  it('returns to zero after every kind of request', async () => {
    await using server = await startShop()
    const json = { 'content-type': 'application/json' }
    for (const request of [
      { url: '/things/1' },
      { url: '/nothing' },
      { url: '/things/%zz' },
      { url: `/things/${'9'.repeat(2_049)}` },
      { url: '/fail' },
      { url: '/down' },
      { url: '/health' },
      { url: '/docs' },
      { method: 'HEAD', url: '/things/1' },
      { method: 'PUT', url: '/things/1' },
      { method: 'OPTIONS', url: '/things/1' },
      { method: 'POST', url: '/things', headers: json, payload: '{' },
      { method: 'POST', url: '/things', headers: json, payload: 'x'.repeat(65_537) },
      { method: 'POST', url: '/things', headers: { 'content-type': 'text/plain' }, payload: 'x' },
    ] as const) {
      await server.app.inject(request)
      assert.equal(await server.activeRequests(), 0, request.url)
    }
  })
})

it('a request whose connection breaks before the response is recorded once, as 499', async () => {
  const response = Promise.withResolvers<object>()
  await using server = await startServer({
    routes: async (app) => void app.get('/slow', () => response.promise),
  })
  const disconnect = await startRequest(server.app, '/slow')
  while ((await server.activeRequests()) === 0) await delay(5)
  disconnect()
  while ((await server.activeRequests()) > 0) await delay(5)
  response.resolve({})
  await delay(20)

  const lines = server.lines.filter(({ msg }) => msg === 'request')
  assert.deepEqual(
    lines.map(({ route, status }) => [route, status]),
    [['/slow', 499]],
  )
  const { body } = await server.app.inject('/metrics')
  assert.match(body, /_count\{.*http_route="\/slow",http_response_status_code="499"\} 1/)
})
