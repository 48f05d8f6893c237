import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type Span, startCollector, treeOf } from '@shop/testing/observability/otlp.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

/** A trace that the caller has started, with the `traceparent` header that propagates it. */
const newTrace = () => {
  const [traceId, callerId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { traceId, callerId, headers: { traceparent: `00-${traceId}-${callerId}-01` } }
}

type Trace = ReturnType<typeof newTrace>

const linesOf = (service: RunningService, { traceId }: Trace): Record<string, unknown>[] =>
  service
    .output()
    .split('\n')
    .filter((line) => line.includes(traceId))
    .map((line) => JSON.parse(line))

const method = 'product.ProductService/BatchGetProducts'

const expectedTree = `basket-service server POST /baskets/:user_id/items
  basket-service internal addItem
    basket-service client ${method}
      product-service server ${method}
        product-service internal getProductSummaries
          product-service client select products
    basket-service client EVALSHA
`

const attributesOf = (spans: readonly Span[], service: string) =>
  Object.fromEntries(
    spans
      .filter(({ resource }) => resource['service.name'] === service)
      .map(({ kind, name, attributes }) => [`${kind} ${name}`, attributes]),
  )

const assertAttributes = (spans: readonly Span[]): void => {
  const call = { 'rpc.system.name': 'grpc', 'rpc.method': method, 'rpc.response.status_code': 'OK' }
  const basket = attributesOf(spans, 'basket-service')
  assert.deepEqual(basket['server POST /baskets/:user_id/items'], {
    'http.request.method': 'POST',
    'http.route': '/baskets/:user_id/items',
    'http.response.status_code': 200,
    'url.scheme': 'http',
    request_id: 'e2e-added',
  })
  assert.deepEqual(basket['internal addItem'], {})
  assert.deepEqual(basket[`client ${method}`], call)
  assert.equal(basket['client EVALSHA']?.['db.system.name'], 'redis')
  const product = attributesOf(spans, 'product-service')
  assert.deepEqual(product[`server ${method}`], { ...call, request_id: 'e2e-added' })
  const { 'db.query.text': text, ...statement } = product['client select products'] ?? {}
  assert.deepEqual(statement, { 'db.system.name': 'postgresql', 'db.query.summary': 'select products' })
  assert.match(String(text), /^\s*select .* from "products"\s+where id = any\(\$1::integer\[\]\)/)
}

/** The name, `error.type` and failure flag of each server and internal span of the basket service, innermost first. */
const errorsOf = (spans: readonly Span[]) =>
  spans
    .filter(({ kind, resource }) => kind !== 'client' && resource['service.name'] === 'basket-service')
    .map(({ name, attributes, failed }) => [name, attributes['error.type'], failed])

/** The names of a service's histograms that have the trace as an exemplar. */
const histogramsWithExemplar = async ({ url }: RunningService, { traceId }: Trace): Promise<string[]> => {
  const { body } = await request('GET', `${url}/metrics`, undefined, {
    accept: 'application/openmetrics-text',
  })
  const lines = String(body).split('\n')
  const names = lines.flatMap((line) => (line.includes(traceId) ? (/^\w+(?=_bucket)/.exec(line) ?? []) : []))
  return [...new Set(names)].toSorted()
}

/** A module to preload with `--import`. It appends the URL of every loaded module to the file named by LOADED. */
const recordModules = `
  import { appendFileSync } from 'node:fs'
  import { registerHooks } from 'node:module'
  registerHooks({
    load: (url, context, next) => {
      appendFileSync(process.env.LOADED, url + '\\n')
      return next(url, context)
    },
  })
`

/** Starts a service, waits until it is ready, and returns the OpenTelemetry packages that it has loaded. */
const loadedOpenTelemetryPackages = async (
  service: 'product' | 'basket',
  environment: Record<string, string>,
) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'tracing-'))
  const loaded = join(folder.path, 'loaded')
  await using _ = await startService(service, {
    ...environment,
    GRPC_PORT: String(await freePort()),
    DATA_DIR: folder.path,
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(recordModules)}`,
    LOADED: loaded,
  })
  const packages = [...(await readFile(loaded, 'utf8')).matchAll(/@opentelemetry\/[a-z-]+/g)]
  return [...new Set(packages.map(([name]) => name))].toSorted()
}

describe('tracing', () => {
  it('records an add to a basket as one trace that spans both services and their stores', {
    skip: withoutPostgres || withoutRedis,
  }, async () => {
    const user = `${ownPrefix()}ann`
    const [add, refused, unavailable] = [newTrace(), newTrace(), newTrace()]
    await using collector = await startCollector()
    await using schema = await ownSchema()
    await using stack = new AsyncDisposableStack()
    stack.defer(() => removeKeys(`basket:${user}`))
    const grpcPort = String(await freePort())
    const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
    const product = stack.use(
      await startService('product', { ...traced, DATABASE_URL: schema.url, GRPC_PORT: grpcPort }),
    )
    const basket = stack.use(
      await startService('basket', {
        ...traced,
        REDIS_URL: redisUrl,
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      }),
    )
    const created = await request('POST', `${product.url}/products`, { name: 'Emma', price: 1, stock: 5 })
    const items = `${basket.url}/baskets/${user}/items`
    const addItems = async (quantity: number, { headers }: Trace, id: string) => {
      const body = { product_id: created.body.id, quantity }
      return (await request('POST', items, body, { ...headers, 'x-request-id': id })).status
    }
    // The first add may have to load its script into Redis, which would add a span.
    assert.equal(await addItems(1, newTrace(), 'e2e-first'), 200)
    assert.equal(await addItems(1, add, 'e2e-added'), 200)
    // The duration of a request is recorded after its response has been sent.
    await eventually(20_000, async () =>
      assert.deepEqual(await histogramsWithExemplar(basket, add), [
        'db_client_operation_duration_seconds',
        'http_server_request_duration_seconds',
        'rpc_client_call_duration_seconds',
        'use_case_duration_seconds',
      ]),
    )
    assert.deepEqual(await histogramsWithExemplar(product, add), [
      'db_client_operation_duration_seconds',
      'rpc_server_call_duration_seconds',
      'use_case_duration_seconds',
    ])
    assert.equal(await addItems(9, refused, 'e2e-refused'), 409)
    assert.equal(await product.stop(), 0)
    assert.equal(await addItems(1, unavailable, 'e2e-unavailable'), 503)
    assert.equal(await basket.stop(), 0)

    const spansOf = ({ traceId }: Trace) => collector.spans.filter((span) => span.traceId === traceId)
    assert.equal(treeOf(spansOf(add), add.callerId), expectedTree)
    assert.equal(spansOf(add).length, 7)
    assertAttributes(spansOf(add))
    assert.ok(spansOf(add).every(({ failed }) => !failed))

    const route = 'POST /baskets/:user_id/items'
    assert.deepEqual(errorsOf(spansOf(refused)), [
      ['addItem', 'insufficient_stock', false],
      [route, 'insufficient_stock', false],
    ])
    assert.deepEqual(errorsOf(spansOf(unavailable)), [
      ['addItem', 'unavailable', true],
      [route, 'unavailable', true],
    ])

    // Log lines carry the ids of the trace and of the server span.
    const [callLine] = linesOf(product, add)
    const [requestLine] = linesOf(basket, add)
    const serverOf = (service: string) =>
      spansOf(add).find(({ kind, resource }) => kind === 'server' && resource['service.name'] === service)
    assert.deepEqual([callLine?.['msg'], callLine?.['span_id']], ['call', serverOf('product-service')?.id])
    assert.deepEqual(
      [requestLine?.['msg'], requestLine?.['span_id']],
      ['request', serverOf('basket-service')?.id],
    )
    for (const service of [product, basket])
      for (const line of service.output().split('\n'))
        if (line.includes('"request_id"'))
          assert.match(line, /"trace_id":"[0-9a-f]{32}","span_id":"[0-9a-f]{16}"/)

    assert.ok(collector.receivedText().includes('basket-service'))
    assert.ok(!collector.receivedText().includes(user), 'exported traces contain the user id')
    assert.doesNotMatch(JSON.stringify(collector.spans), /health|PING|pg_/)
  })

  it('loads no OpenTelemetry package except the API while tracing is off', async () => {
    const api = ['@opentelemetry/api']
    assert.deepEqual(await loadedOpenTelemetryPackages('product', {}), api)
    assert.deepEqual(await loadedOpenTelemetryPackages('basket', {}), api)
    // Control: while tracing is on, the SDK is among the loaded packages.
    const traced = await loadedOpenTelemetryPackages('basket', {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    })
    assert.ok(traced.includes('@opentelemetry/sdk-trace'))
  })

  it('does not fail requests when the collector hangs or is unreachable, and logs one warning', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'tracing-'))
    await using collector = await startCollector()
    collector.reply.status = 'never'
    for (const url of [collector.url, `http://127.0.0.1:${await freePort()}`]) {
      await using basket = await startService('basket', {
        DATA_DIR: folder.path,
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      })
      const created = await request('POST', `${basket.url}/baskets`, { user_id: 'ann' })
      assert.ok(created.status === 200 || created.status === 201)
      assert.equal(await basket.stop(), 0)
      assert.equal(basket.output().match(/traces cannot be exported/g)?.length, 1)
    }
  })
})
