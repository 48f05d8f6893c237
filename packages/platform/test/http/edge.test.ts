import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startServer } from '../support/http-server.ts'
import { stall } from '../support/stall.ts'

const routes = async (app: { get: (path: string, handler: () => object) => unknown }) =>
  void app.get('/things', () => ({}))

describe('the HTTP server', () => {
  it('serves no documentation when `docs` is off', async () => {
    await using server = await startServer({ routes, config: { docs: false } })
    for (const path of ['/', '/docs', '/docs/', '/docs/json', '/openapi.json', '/favicon.ico'])
      assert.equal((await server.app.inject(path)).statusCode, 404, path)
    assert.equal((await server.app.inject('/things')).statusCode, 200)
  })

  it('lets only pages of the configured origins read responses', async () => {
    const [allowed, other] = ['https://shop.example', 'https://other.example']
    const config = { corsOrigins: `${allowed},http://localhost:3000` }
    await using server = await startServer({ routes, config })
    const headersFor = async (origin: string, method: 'GET' | 'OPTIONS' = 'GET') => {
      const headers = { origin, 'access-control-request-method': 'POST' }
      return (await server.app.inject({ method, url: '/things', headers })).headers
    }
    assert.equal((await headersFor(allowed))['access-control-allow-origin'], allowed)
    assert.equal(
      (await headersFor('http://localhost:3000'))['access-control-allow-origin'],
      'http://localhost:3000',
    )
    assert.match(String((await headersFor(allowed))['vary']), /origin/i)
    assert.equal((await headersFor(allowed, 'OPTIONS'))['access-control-allow-origin'], allowed)
    for (const method of ['GET', 'OPTIONS'] as const)
      assert.equal((await headersFor(other, method))['access-control-allow-origin'], undefined)
    for (const [url, headers] of [
      ['/nothing', {}],
      ['/things/%zz', {}],
      ['/things', { expect: 'nonsense' }],
      ['/things', { host: 'a@b' }],
    ] as const) {
      const refused = await server.app.inject({ url, headers: { origin: allowed, ...headers } })
      assert.ok(refused.statusCode >= 400, url)
      assert.equal(refused.headers['access-control-allow-origin'], allowed, url)
    }
  })

  it('lets no page of another origin read responses when CORS is off', async () => {
    await using server = await startServer({ routes, config: { corsOrigins: 'off' } })
    const headers = { origin: 'https://shop.example', 'access-control-request-method': 'POST' }
    for (const method of ['GET', 'OPTIONS'] as const) {
      const response = await server.app.inject({ method, url: '/things', headers })
      assert.equal(response.headers['access-control-allow-origin'], undefined)
    }
  })

  it('refuses requests except health checks and scrapes while the event loop is delayed, and recovers', async () => {
    await using server = await startServer({ routes, config: { maxEventLoopDelayMs: 50 } })
    const { app } = server
    assert.equal((await app.inject('/things')).statusCode, 200)
    await eventually(20_000, async () => {
      stall(200)
      const refused = await app.inject('/things')
      assert.deepEqual([refused.statusCode, refused.json().code], [503, 'unavailable'])
      assert.ok(Number(refused.headers['retry-after']) >= 1)
    })
    for (const path of ['/health', '/health/live', '/metrics'])
      assert.equal((await app.inject(path)).statusCode, 200, path)
    await eventually(20_000, async () => assert.equal((await app.inject('/things')).statusCode, 200))
  })

  it('serves requests after a start that took longer than the limit', async () => {
    const slow = async (app: Parameters<typeof routes>[0]) => {
      stall(700)
      await routes(app)
    }
    await using server = await startServer({ routes: slow, config: { maxEventLoopDelayMs: 600 } })
    await delay(5)
    assert.equal((await server.app.inject('/things')).statusCode, 200)
  })

  it('serves requests while the event loop is delayed by less than the limit', async () => {
    await using server = await startServer({ routes, config: { maxEventLoopDelayMs: 60_000 } })
    for (let round = 0; round < 3; round++) {
      // Longer than the time between two samples.
      stall(600)
      await delay(5)
      assert.equal((await server.app.inject('/things')).statusCode, 200)
    }
  })
})
