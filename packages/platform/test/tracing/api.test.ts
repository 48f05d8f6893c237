import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { describe, it } from 'node:test'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { pipeline } from '../../src/pipeline.ts'
import { traced } from '../../src/tracing/traced.ts'
import { startRequest, startServer } from '../support/http-server.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const callerId = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${callerId}-01`

const useCases = {
  find: async ({ id }: { id: string }) => {
    if (id === 'missing') throw new AppError('not_found', `user ${id} not found`)
    if (id === 'bug') throw new TypeError(`cannot read ${id}`)
    return { id }
  },
}

const context = systemContext('test')

/** Starts a server with one use case, which also serves as its health probe. */
const startShop = async () => {
  const use = pipeline(useCases, [traced])
  return startServer({
    routes: async (app) => {
      app.get('/users/:id', ({ params }) => use.find(params as { id: string }, context))
      app.post('/users', ({ body }) => use.find(body as { id: string }, context))
    },
    dependencies: [{ name: 'store', required: true, probe: () => use.find({ id: 'probe' }, context) }],
  })
}

type Shop = Awaited<ReturnType<typeof startShop>>

const spansOfShop = (work: (shop: Shop) => Promise<unknown>, config = {}) =>
  spansOf(async () => {
    await using shop = await startShop()
    await work(shop)
  }, config)

const names = (spans: readonly { name: string }[]) => spans.map(({ name }) => name)

describe('the span of a request', () => {
  it('continues the trace of its caller and is the parent of the use case span, with or without a body', async () => {
    const spans = await spansOfShop(async ({ app, activeRequests }) => {
      await app.inject({ url: '/users/ann', headers: { traceparent, 'x-request-id': 'r-1' } })
      const address = await app.listen({ host: '127.0.0.1', port: 0 })
      const headers = { traceparent, 'content-type': 'application/json' }
      const post = httpRequest(`${address}/users`, { method: 'POST', headers })
      const responded = once(post, 'response')
      // Sends the body later, when the server has left the asynchronous context of the request.
      post.flushHeaders()
      await eventually(20_000, async () => assert.equal(await activeRequests(), 1))
      post.end(JSON.stringify({ id: 'ann' }))
      const [response] = await responded
      assert.equal(response.statusCode, 200)
      response.resume()
    })
    assert.equal(
      treeOf(spans, callerId),
      [
        'test-service server GET /users/:id',
        '  test-service internal find',
        'test-service server POST /users',
        '  test-service internal find',
        '',
      ].join('\n'),
    )
    assert.ok(spans.every((span) => span.traceId === traceId))
    assert.deepEqual(spans.find(({ kind }) => kind === 'server')?.attributes, {
      'http.request.method': 'GET',
      'http.route': '/users/:id',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      request_id: 'r-1',
    })
  })

  it('starts a new trace when traceparent is missing or malformed', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      await app.inject('/users/ann')
      await app.inject({ url: '/users/ann', headers: { traceparent: '00-zz-zz-01' } })
    })
    const roots = spans.filter(({ kind }) => kind === 'server')
    assert.deepEqual(
      roots.map(({ parentId }) => parentId),
      ['', ''],
    )
    assert.equal(new Set(roots.map((span) => span.traceId)).size, 2)
  })

  it('has the code of an error, and is marked as failed only for server errors', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      await app.inject('/users/missing')
      await app.inject('/users/bug')
      await app.inject({ method: 'PUT', url: '/users' })
    })
    assert.deepEqual(
      spans.map(({ name, attributes, failed }) => [name, attributes['error.type'], failed]),
      [
        ['find', 'not_found', false],
        ['GET /users/:id', 'not_found', false],
        ['find', 'internal', true],
        ['GET /users/:id', 'internal', true],
        ['PUT /users', 'method_not_allowed', false],
      ],
    )
  })

  it('ends with status 499 when the connection breaks', async () => {
    const spans = await spansOf(async () => {
      const { promise, resolve } = Promise.withResolvers<object>()
      await using server = await startServer({
        routes: async (app) => void app.get('/slow', () => promise),
      })
      const disconnect = await startRequest(server.app, '/slow')
      await eventually(20_000, async () => assert.equal(await server.activeRequests(), 1))
      disconnect()
      await eventually(20_000, async () => assert.equal(await server.activeRequests(), 0))
      resolve({})
    })
    assert.deepEqual(
      spans.map(({ name, attributes, failed }) => [name, attributes['http.response.status_code'], failed]),
      [['GET /slow', 499, false]],
    )
  })

  it('contains no path, client address, user agent or error message, because they may identify a user', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const url of ['/users/missing?by=ann', '/users/bug', '/users/ann/unknown'])
        await app.inject({ url, remoteAddress: '192.0.2.7', headers: { 'user-agent': 'anns-phone' } })
    })
    assert.deepEqual(names(spans), ['find', 'GET /users/:id', 'find', 'GET /users/:id', 'GET'])
    assert.doesNotMatch(JSON.stringify(spans), /ann|not found|cannot read|192\.0\.2\.7/)
  })

  it('is not recorded for health checks and scrapes, and neither are the spans of their work', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const url of ['/health', '/health/live', '/health/ready', '/metrics'])
        assert.equal((await app.inject({ url, headers: { traceparent } })).statusCode, 200)
    })
    assert.deepEqual(names(spans), [])
  })
})

describe('the sampler', () => {
  const unsampled = `00-${traceId}-${callerId}-00`
  /** Sends a request without a parent, with a sampled and with an unsampled one. Returns the parents of the spans. */
  const tracedParents = async (config: Record<string, unknown>) => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const headers of [{}, { traceparent }, { traceparent: unsampled }])
        await app.inject({ url: '/users/ann', headers })
    }, config)
    return spans.filter(({ kind }) => kind === 'server').map((span) => span.parentId)
  }

  it('follows the decision of the caller by default, and samples requests without a parent', async () => {
    assert.deepEqual(await tracedParents({}), ['', callerId])
  })

  for (const [sampler, expected] of [
    ['always_on', ['', callerId, callerId]],
    ['always_off', []],
    ['parentbased_always_off', [callerId]],
    ['parentbased_traceidratio', [callerId]],
    ['traceidratio', []],
  ] as const)
    it(`samples ${expected.length} of 3 requests with ${sampler} and a ratio of 0`, async () => {
      const config = { sampler, samplerRatio: 0 }
      assert.deepEqual(await tracedParents(config), expected)
    })

  it('samples all requests with traceidratio and a ratio of 1', async () => {
    const config = { sampler: 'traceidratio', samplerRatio: 1 }
    assert.equal((await tracedParents(config)).length, 3)
  })
})

it('spans carry the name, version and environment of their service', async () => {
  const resourceOf = async (config = {}) => {
    const [span] = await spansOfShop(({ app }) => app.inject('/users/ann'), config)
    const { 'service.instance.id': instance, ...resource } = span?.resource ?? {}
    assert.match(String(instance), /^[0-9a-f-]{36}$/)
    return Object.entries(resource).filter(([name]) => !name.startsWith('telemetry.sdk.'))
  }
  assert.deepEqual(Object.fromEntries(await resourceOf()), {
    'service.name': 'test-service',
    'service.version': '1.2.3',
    'deployment.environment.name': 'development',
  })
  const named = Object.fromEntries(await resourceOf({ serviceName: 'shop' }))
  assert.equal(named['service.name'], 'shop')
})

it('a use case outside of a request has no span', async () => {
  const spans = await spansOf(() => pipeline(useCases, [traced]).find({ id: 'ann' }, context))
  assert.deepEqual(names(spans), [])
})

it('a use case is not wrapped while tracing is off', () => {
  assert.equal(pipeline(useCases, [traced]).find, useCases.find)
})
