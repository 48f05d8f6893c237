import assert from 'node:assert/strict'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startCollector, treeOf } from '@shop/testing/observability/otlp.ts'
import { origin, spansOf, tracingConfig } from '@shop/testing/observability/tracing.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { pipeline } from '../../src/pipeline.ts'
import { startTracing } from '../../src/tracing/start.ts'
import { traced } from '../../src/tracing/traced.ts'
import { startRequest, startServer } from '../support/http-server.ts'
import { fileConfig } from '../support/log-config.ts'

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
const startShop = async (trustProxy: string) => {
  const use = pipeline(useCases, [traced])
  return startServer({
    routes: async (app) => {
      app.get('/users/:id', ({ params }) => use.find(params as { id: string }, context))
      app.post('/users', ({ body }) => use.find(body as { id: string }, context))
    },
    config: { trustProxy },
    dependencies: [{ name: 'store', required: true, probe: () => use.find({ id: 'probe' }, context) }],
  })
}

type Shop = Awaited<ReturnType<typeof startShop>>

const spansOfShop = (work: (shop: Shop) => Promise<unknown>, config = {}, trustProxy = 'loopback') =>
  spansOf(async () => {
    await using shop = await startShop(trustProxy)
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

describe('the trace that a request names, if its peer is not trusted,', () => {
  const unsampled = `00-${traceId}-${callerId}-00`

  /** The spans of a request with these headers. */
  const spansFrom = (headers: Record<string, string>, config = {}, trustProxy = 'off') =>
    spansOfShop(({ app }) => app.inject({ url: '/users/ann', headers }), config, trustProxy)

  it('is only linked to: the request begins a trace', async () => {
    const [useCase, request, ...more] = await spansFrom({ traceparent })
    assert.deepEqual([request?.kind, request?.parentId, request?.links], ['server', '', [callerId]])
    assert.deepEqual([useCase?.parentId, useCase?.links, more], [request?.id, [], []])
    assert.notEqual(request?.traceId, traceId)
    assert.deepEqual((await spansFrom({ traceparent: 'malformed' })).at(-1)?.links, [])
    assert.deepEqual((await spansFrom({ traceparent }, {}, 'loopback')).at(-1)?.links, [])
  })

  it('does not decide whether the request is sampled', async () => {
    for (const [sampler, header, count] of [
      ['parentbased_always_on', unsampled, 2],
      ['parentbased_always_on', traceparent, 2],
      ['parentbased_always_off', traceparent, 0],
      ['parentbased_traceidratio', traceparent, 0],
      ['traceidratio', traceparent, 0],
      ['always_on', unsampled, 2],
    ] as const) {
      const spans = await spansFrom({ traceparent: header }, { sampler, samplerRatio: 0 })
      assert.equal(spans.length, count, `${sampler} ${header}`)
    }
  })

  it('does not decide by its id either', async () => {
    const ofLowestId = { traceparent: `00-${'0'.repeat(31)}1-${callerId}-01` }
    const config = { sampler: 'traceidratio', samplerRatio: 0.000_000_1 }
    assert.equal((await spansFrom(ofLowestId, config, 'loopback')).length, 2)
    assert.equal((await spansFrom(ofLowestId, config)).length, 0)
  })

  it('is exported without its state, which is text of the caller', async () => {
    const exported = async (trustProxy: string) => {
      await using collector = await startCollector()
      {
        await using _ = await startTracing(origin, tracingConfig(collector.url), silentLogger)
        await using shop = await startShop(trustProxy)
        await shop.app.inject({ url: '/users/ann', headers: { traceparent, tracestate: 'vendor=some-text' } })
      }
      assert.equal(collector.spans.length, 2)
      return collector.receivedText().includes('some-text')
    }
    assert.deepEqual([await exported('loopback'), await exported('off')], [true, false])
  })

  it('is not in the log lines and the exemplars of the request', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-trace-'))
    let metrics = ''
    const spans = await spansOf(async () => {
      const logger = await createLogger({ service: 'test-service' }, fileConfig(folder.path))
      await using server = await startServer({
        logger,
        routes: async (app) => void app.get('/things', () => ({})),
      })
      await server.app.inject({ url: '/things', headers: { traceparent } })
      const accept = 'application/openmetrics-text;version=1.0.0'
      metrics = (await server.app.inject({ url: '/metrics', headers: { accept } })).body
      // The line of a request may wait for others. This one does not.
      logger.error('end')
      await tick()
    })
    const [path = 'no file'] = globSync(`${folder.path}/*`)
    const own = String(spans[0]?.traceId)
    for (const text of [readFileSync(path, 'utf8'), metrics])
      assert.deepEqual([text.includes(own), text.includes(traceId)], [true, false])
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
