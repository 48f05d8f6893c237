import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { Type } from 'typebox'
import type { Dependency } from '../../src/health/health.ts'
import { problems } from '../../src/http/problem.ts'
import { startServer } from '../support/http-server.ts'

const dependency = (required: boolean, up: boolean): Dependency => ({
  name: required ? 'postgres' : 'catalog',
  required,
  probe: async () => {
    if (!up) throw new Error('connect ECONNREFUSED 10.0.0.7:5432')
  },
})

/** Returns the status code and the body's `status` of each health route. */
const healthWith = async (dependencies: Dependency[], stopping = false) => {
  await using server = await startServer({ dependencies })
  if (stopping) server.health.stop()
  const responses = await Promise.all(
    ['/health', '/health/ready', '/health/live'].map((url) => server.app.inject(url)),
  )
  return responses.map((response) => `${response.statusCode} ${response.json().status}`)
}

describe('health over HTTP', () => {
  it('is 200 when everything is up', async () => {
    const dependencies = [dependency(true, true), dependency(false, true)]
    assert.deepEqual(await healthWith(dependencies), ['200 healthy', '200 healthy', '200 alive'])
  })

  it('is 503 while a required dependency is down, but still alive', async () => {
    const dependencies = [dependency(true, false), dependency(false, true)]
    assert.deepEqual(await healthWith(dependencies), ['503 unhealthy', '503 unhealthy', '200 alive'])
  })

  it('is degraded while an optional dependency is down, but still ready', async () => {
    const dependencies = [dependency(true, true), dependency(false, false)]
    assert.deepEqual(await healthWith(dependencies), ['200 degraded', '200 degraded', '200 alive'])
  })

  it('is 503 while the service stops, but still alive', async () => {
    assert.deepEqual(await healthWith([dependency(true, true)], true), [
      '503 unhealthy',
      '503 unhealthy',
      '200 alive',
    ])
  })

  it('reports why a dependency is down if the error is for callers', async () => {
    const probe = async () => {
      throw new AppError('unavailable', 'the store is full')
    }
    await using server = await startServer({ dependencies: [{ name: 'redis', required: false, probe }] })
    const { checks } = (await server.app.inject('/health')).json()
    assert.equal(checks.redis.reason, 'the store is full')
  })

  it('reports each dependency, but not why it is down if the error is internal', async () => {
    await using server = await startServer({
      dependencies: [dependency(true, false), dependency(false, true)],
    })
    const response = await server.app.inject('/health')
    const { timestamp, checks, ...rest } = response.json()
    assert.match(String(response.headers['content-type']), /^application\/json/)
    assert.deepEqual(rest, { service: 'test-service', status: 'unhealthy', version: '1.0.0' })
    assert.equal(new Date(timestamp).toISOString(), timestamp)
    assert.deepEqual(Object.keys(checks), ['postgres', 'catalog'])
    assert.deepEqual([checks.postgres.status, checks.catalog.status], ['down', 'up'])
    assert.equal(typeof checks.postgres.latency_ms, 'number')
    assert.doesNotMatch(response.body, /ECONNREFUSED/)
  })
})

const startThings = () =>
  startServer({
    routes: async (app) => {
      const schema = {
        summary: 'Get a thing',
        params: Type.Object({ id: Type.Integer() }),
        response: { 200: Type.Object({ id: Type.Integer() }), ...problems(404) },
      }
      app.get('/things/:id', { schema }, async ({ params }) => params)
    },
  })

describe('the documentation', () => {
  it('is OpenAPI 3.1, generated from the schemas of the routes', async () => {
    await using server = await startThings()
    const response = await server.app.inject('/openapi.json')
    assert.match(String(response.headers['content-type']), /^application\/json/)
    const api = response.json()
    assert.equal(api.openapi, '3.1.0')
    const license = { name: 'MIT', identifier: 'MIT' }
    assert.deepEqual(api.info, { title: 'Test service', version: '1.0.0', license })
    assert.deepEqual(Object.keys(api.paths).toSorted(), [
      '/health',
      '/health/live',
      '/health/ready',
      '/metrics',
      '/things/{id}',
    ])
    assert.deepEqual(Object.keys(api.paths['/things/{id}']), ['get'])
    const { summary, responses } = api.paths['/things/{id}'].get
    assert.equal(summary, 'Get a thing')
    assert.deepEqual(Object.keys(responses), ['200', '404', '429', '500'])
    const problem = { $ref: '#/components/schemas/Problem' }
    assert.deepEqual(responses[404].content, { 'application/problem+json': { schema: problem } })
    assert.ok(api.components.schemas.Problem.required.includes('request_id'))
  })

  it('is a page whose security policy allows its own scripts', async () => {
    await using server = await startThings()
    const page = await server.app.inject('/docs')
    assert.equal(page.statusCode, 200)
    assert.match(String(page.headers['content-type']), /^text\/html/)
    assert.match(String(page.headers['content-security-policy']), /script-src 'self'/)
    const [, script = ''] = /src="([^"]+swagger-ui-bundle[^"]*)"/.exec(page.body) ?? []
    const response = await server.app.inject(script)
    assert.equal(response.statusCode, 200)
    assert.match(String(response.headers['content-type']), /javascript/)
  })
})

describe('the metrics', () => {
  it('are Prometheus text, and include process metrics and the version of the service', async () => {
    await using server = await startServer()
    const response = await server.app.inject('/metrics')
    assert.match(String(response.headers['content-type']), /^text\/plain; version=0\.0\.4/)
    const lines = response.body.split('\n')
    for (const line of [
      'build_info{version="1.0.0",service="test-service"} 1',
      'http_server_active_requests{service="test-service"} 1',
    ])
      assert.ok(lines.includes(line), line)
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
      assert.ok(
        lines.some((line) => line.startsWith(`${name}{`)),
        name,
      )
  })
})

describe('the format of the metrics', () => {
  const text = /^text\/plain; version=0\.0\.4/
  const openMetrics = /^application\/openmetrics-text; version=1\.0\.0/
  /** What Prometheus 3 sends. */
  const prometheus =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,' +
    'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

  it('is the one that Accept prefers, text by default', async () => {
    await using server = await startServer()
    for (const [accept, expected] of [
      [undefined, text],
      ['*/*', text],
      ['', text],
      ['text/plain', text],
      ['application/json', text],
      ['application/openmetrics-text', openMetrics],
      ['APPLICATION/OpenMetrics-Text', openMetrics],
      ['application/*', openMetrics],
      [prometheus, openMetrics],
      ['application/openmetrics-text; version=1.0.0 ; q=0.5, text/plain; q=0.4', openMetrics],
      ['application/openmetrics-text;version=1.0.0; q=0.4, text/plain;Q=0.5', text],
      ['application/openmetrics-text;q=0', text],
      ['application/openmetrics-text;q=0, */*', text],
      ['application/openmetrics-text;q=0.1,text/plain;version=0.0.4;q=0.9', text],
      ['application/openmetrics-text-other', text],
    ] as const) {
      const headers = accept === undefined ? {} : { accept }
      const response = await server.app.inject({ url: '/metrics', headers })
      assert.equal(response.statusCode, 200)
      assert.match(String(response.headers['content-type']), expected, `${accept}`)
      assert.equal(response.headers['vary'], 'Accept-Encoding, Accept')
    }
  })

  it('is named in Vary without compression too', async () => {
    await using server = await startServer({ config: { compression: false } })
    assert.equal((await server.app.inject('/metrics')).headers['vary'], 'Accept')
  })
})
