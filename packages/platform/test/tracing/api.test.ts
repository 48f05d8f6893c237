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
    if (id === 'missing') throw new AppError('not_found', `there is nothing for ${id}`)
    if (id === 'bug') throw new TypeError(`cannot read ${id}`)
    return { id }
  },
}

/** A server with one use case, which is also asked whether it is healthy. */
const context = systemContext('test')

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
  it('is in the trace of its caller, with that of the use case in it, whether or not there is a body', async () => {
    const spans = await spansOfShop(async ({ app, activeRequests }) => {
      await app.inject({ url: '/users/ann', headers: { traceparent, 'x-request-id': 'r-1' } })
      const address = await app.listen({ host: '127.0.0.1', port: 0 })
      const headers = { traceparent, 'content-type': 'application/json' }
      const post = httpRequest(`${address}/users`, { method: 'POST', headers })
      const answered = once(post, 'response')
      // The body comes later, when the server is out of the context of the request.
      post.flushHeaders()
      await eventually(20_000, async () => assert.equal(await activeRequests(), 1))
      post.end(JSON.stringify({ id: 'ann' }))
      const [response] = await answered
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

  it('begins a trace when the caller has none, or one that makes no sense', async () => {
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

  it('tells the code of an error, and only a fault makes it a failed one', async () => {
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

  it('ends with its connection, should that one break', async () => {
    const spans = await spansOf(async () => {
      const { promise, resolve } = Promise.withResolvers<object>()
      await using server = await startServer({
        routes: async (app) => void app.get('/slow', () => promise),
      })
      const leave = await startRequest(server.app, '/slow')
      await eventually(20_000, async () => assert.equal(await server.activeRequests(), 1))
      leave()
      await eventually(20_000, async () => assert.equal(await server.activeRequests(), 0))
      resolve({})
    })
    assert.deepEqual(
      spans.map(({ name, attributes, failed }) => [name, attributes['http.response.status_code'], failed]),
      [['GET /slow', 499, false]],
    )
  })

  it('has neither a path nor a message, for there may be a user in them', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const url of ['/users/missing?by=ann', '/users/bug', '/users/ann/nothing'])
        await app.inject({ url, remoteAddress: '192.0.2.7', headers: { 'user-agent': 'anns-phone' } })
    })
    assert.deepEqual(names(spans), ['find', 'GET /users/:id', 'find', 'GET /users/:id', 'GET'])
    assert.doesNotMatch(JSON.stringify(spans), /ann|there is nothing|cannot read|192\.0\.2\.7/)
  })

  it('is not there for health checks and scrapes, nor is anything that they do', async () => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const url of ['/health', '/health/live', '/health/ready', '/metrics'])
        assert.equal((await app.inject({ url, headers: { traceparent } })).statusCode, 200)
    })
    assert.deepEqual(names(spans), [])
  })
})

describe('which requests are traced', () => {
  const unsampled = `00-${traceId}-${callerId}-00`
  const tracedOf = async (config: Record<string, unknown>) => {
    const spans = await spansOfShop(async ({ app }) => {
      for (const headers of [{}, { traceparent }, { traceparent: unsampled }])
        await app.inject({ url: '/users/ann', headers })
    }, config)
    return spans.filter(({ kind }) => kind === 'server').map((span) => span.parentId)
  }

  it('the caller decides, and all are that have none', async () => {
    assert.deepEqual(await tracedOf({}), ['', callerId])
  })

  for (const [sampler, expected] of [
    ['always_on', ['', callerId, callerId]],
    ['always_off', []],
    ['parentbased_always_off', [callerId]],
    ['parentbased_traceidratio', [callerId]],
    ['traceidratio', []],
  ] as const)
    it(`${sampler} does, with a ratio of 0`, async () => {
      const config = { sampler, samplerRatio: 0 }
      assert.deepEqual(await tracedOf(config), expected)
    })

  it('a ratio of 1 takes all', async () => {
    const config = { sampler: 'traceidratio', samplerRatio: 1 }
    assert.equal((await tracedOf(config)).length, 3)
  })
})

it('spans tell which service made them, which version and where', async () => {
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

it('a use case that no request waits for has no span', async () => {
  const spans = await spansOf(() => pipeline(useCases, [traced]).find({ id: 'ann' }, context))
  assert.deepEqual(names(spans), [])
})

it('a use case is left as it is where nothing is traced', () => {
  assert.equal(pipeline(useCases, [traced]).find, useCases.find)
})
