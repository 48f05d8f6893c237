import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { credentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { filesOf } from '@shop/testing/files.ts'
import { startCollector } from '@shop/testing/observability/otlp.ts'
import {
  configurationFolder,
  startPrometheus,
  withoutPrometheus,
} from '@shop/testing/observability/prometheus.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import {
  type PostgresServer,
  startPostgresServer,
  withoutPostgresPrograms,
} from '@shop/testing/stores/postgres-cluster.ts'

type Panel = Readonly<{ title: string; targets?: readonly Readonly<{ expr: string }>[] }>

/** Every query of the dashboards, with Grafana's variable for the rate interval filled in. */
const queriesOfDashboards = (): string[] =>
  filesOf('deploy/observability/grafana/dashboards', '.json').flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: readonly Panel[] }
    return panels.flatMap(({ targets = [] }) =>
      targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '30s')),
    )
  })

/** The expressions in a rules file, whether written on one line or as a block. */
const expressionsOf = (file: string): string[] => {
  const text = readFileSync(join(configurationFolder, 'rules', file), 'utf8')
  const matches = [...text.matchAll(/^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/gm)]
  assert.equal(matches.length, [...text.matchAll(/\bexpr:/g)].length)
  return matches.map(([, block, line = '']) => block ?? line)
}

/**
 * The queries that an alert compares with its thresholds. The alert expression itself has no result while the
 * services are healthy. Without the condition of a history, which takes hours.
 */
const comparedQueries = (alert: string): string[] =>
  alert
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replace(/ and on \(service\) present_over_time\(.*\)$/, '')
    .split(/ (?:and|or|unless ignoring \(\w+\)) /)
    .map((comparison) => comparison.replace(/ (?:>|<|==|>=) [\d.* ]+$/, '').replace(/^absent\((.*)\)$/, '$1'))

const key = newApiKey('tests', 'products:write', 'baskets:any')
const headers = { authorization: key.authorization }

/** Sends shopping requests until disposed of. Some of them are for missing products or exceed the stock. */
const startCustomer = (product: string, basket: string, grpc: ProductServiceClient) => {
  const failedRequestIds: string[] = []
  const stopController = new AbortController()
  let round = 0
  const send = async (method: string, url: string, body?: unknown) => {
    round += 1
    const id = `customer-${round}`
    const { status } = await request(method, url, body, { ...headers, 'x-request-id': id })
    if (status >= 500 && url.startsWith(product)) failedRequestIds.push(id)
  }
  const shop = async () => {
    const user = `${basket}/baskets/ann${round % 20}`
    await send('GET', `${product}/products/1`)
    await send('GET', `${product}/products/top-5`)
    await send('POST', `${product}/products`, { name: 'Pen', price: 1.5, stock: 1_000, category: 'Office' })
    await send('PATCH', `${product}/products/1`, { stock: 1_000 + (round % 100) })
    await send('GET', `${product}/products/2000000000`)
    await send('POST', `${user}/items`, { product_id: 1, quantity: 1 })
    await send('POST', `${user}/items`, { product_id: 1, quantity: 998 })
    await send('GET', user)
    for (const url of [product, basket]) await send('GET', `${url}/nothing`)
    await send('OPTIONS', `${product}/products`)
    await send('OPTIONS', user)
    await new Promise((done) => grpc.getProduct({ id: 1 }, done))
  }
  const shopping = (async () => {
    while (!stopController.signal.aborted) {
      await shop()
      await delay(10)
    }
  })()
  return {
    /** The ids of the requests that the product service answered with 5xx. */
    failedRequestIds,
    [Symbol.asyncDispose]: async () => {
      stopController.abort()
      await shopping
    },
  }
}

/** Starts instances that end TLS, with their metrics on ports of their own. Nobody uses them. */
const startTlsInstances = async (folder: string, product: object, basket: object) => {
  const { certificate, key: keyFile } = await (await makeAuthority(folder)).issue('localhost')
  const instances = new AsyncDisposableStack()
  const start = async (service: 'product' | 'basket', environment: object) =>
    instances.use(
      await startService(service, {
        ...environment,
        TLS_CERT_FILE: certificate,
        TLS_KEY_FILE: keyFile,
        OPERATIONS_PORT: String(await freePort()),
      }),
    )
  const both = await Promise.all([
    start('product', { ...product, GRPC_PORT: String(await freePort()) }),
    start('basket', basket),
  ])
  return {
    targets: both.map(({ operationsUrl }) => operationsUrl.replace('http://', '')),
    /** Makes the file of the certificate one that cannot be used. */
    breakCertificate: () => writeFile(certificate, 'no certificate'),
    /** Sends what is not TLS. */
    failHandshakes: () => {
      for (const { url } of both) {
        const { hostname, port } = new URL(url)
        connect(Number(port), hostname)
          .on('error', () => {})
          .end('no handshake\n')
      }
    },
    [Symbol.asyncDispose]: () => instances.disposeAsync(),
  }
}

describe('in Prometheus', { skip: withoutPrometheus || withoutPostgresPrograms || withoutOwnRedis }, () => {
  const stack = new AsyncDisposableStack()
  let cluster: PostgresServer
  let collector: Awaited<ReturnType<typeof startCollector>>
  let product: RunningService
  let basket: RunningService
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>
  let customer: ReturnType<typeof startCustomer>
  let tls: Awaited<ReturnType<typeof startTlsInstances>>
  before(async () => {
    cluster = stack.use(await startPostgresServer())
    collector = stack.use(await startCollector())
    const redisPort = await freePort()
    const redis = startRedis(redisPort, { maxmemory: '64mb' })
    stack.defer(redis.kill)
    const grpcPort = String(await freePort())
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'prometheus-keys-')))
    const auth = { AUTH: 'keys', API_KEYS_FILE: join(folder.path, 'keys') }
    await writeFile(auth.API_KEYS_FILE, key.line)
    const common = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...auth }
    const ofProduct = { DATABASE_URL: cluster.url, GRPC_PORT: grpcPort, ...common }
    const ofBasket = {
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redisPort),
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      ...common,
    }
    product = stack.use(await startService('product', ofProduct))
    basket = stack.use(await startService('basket', ofBasket))
    tls = stack.use(await startTlsInstances(folder.path, ofProduct, ofBasket))
    const targets = [product, basket].map(({ url }) => url.replace('http://', ''))
    prometheus = stack.use(await startPrometheus([...targets, ...tls.targets]))
    const grpc = new ProductServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    stack.defer(() => grpc.close())
    const pen = { name: 'Pen', price: 1.5, stock: 1_000, category: 'Office' }
    await request('POST', `${product.url}/products`, pen, headers)
    customer = stack.use(startCustomer(product.url, basket.url, grpc))
  })
  after(() => stack.disposeAsync())

  const firingAlerts = async (): Promise<Set<string>> => {
    const alerts = await prometheus.series('ALERTS{alertstate="firing"}')
    // Watchdog always fires.
    return new Set(
      alerts
        .filter(({ metric }) => metric['severity'] !== 'none')
        .map(({ metric }) => `${metric['alertname']} ${metric['service']}`),
    )
  }

  it('an outage of PostgreSQL for ten seconds fires ErrorBudgetBurnsFast and no other alert', async () => {
    // The services are healthy for some time first, so that the outage alone causes the alert.
    await eventually(20_000, async () => {
      const [healthy] = await prometheus.series('service:http_errors:ratio_rate5m{service="product-service"}')
      assert.ok((healthy?.values.length ?? 0) >= 5)
    })
    assert.deepEqual(await firingAlerts(), new Set())
    await cluster.stop()
    await delay(10_000)
    await cluster.start()
    await eventually(20_000, async () =>
      assert.equal((await request('GET', `${product.url}/health/ready`)).status, 200),
    )
    // Adds to baskets need the catalog, so they fail too.
    const expected = ['ErrorBudgetBurnsFast basket-service', 'ErrorBudgetBurnsFast product-service']
    await eventually(20_000, async () => assert.deepEqual([...(await firingAlerts())].toSorted(), expected))
  })

  it('the id of a failed request leads to its cause in the log, to the stack, and to its trace', async () => {
    const id = customer.failedRequestIds.at(-1) ?? ''
    const lines = product
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    const failure = lines.find(({ request_id, msg }) => request_id === id && msg === 'request')
    assert.equal(failure.status, 503)
    // Numbers may differ, such as durations.
    const causeOf = (line: { cause?: string }) => line.cause?.replaceAll(/\d+/g, '0')
    const first = lines.find((line) => line.msg === 'request failed' && causeOf(line) === causeOf(failure))
    assert.match(first.err.stack, /\n/)
    await eventually(20_000, async () => {
      const span = collector.spans.find(({ attributes }) => attributes['request_id'] === id)
      assert.deepEqual(
        [
          span?.traceId,
          span?.failed,
          span?.attributes['error.type'],
          span?.attributes['http.response.status_code'],
        ],
        [failure.trace_id, true, 'unavailable', 503],
      )
    })
  })

  it('every query of the dashboards and rules returns data', async () => {
    const alerts = expressionsOf('alerts.yml').flatMap(comparedQueries)
    const queries = [...queriesOfDashboards(), ...expressionsOf('recording.yml'), ...alerts]
    assert.ok(queries.length > 60, `${queries.length} queries`)
    tls.failHandshakes()
    await tls.breakCertificate()
    await eventually(20_000, async () => {
      const failing = await prometheus.series(
        'job_duration_seconds_count{job="tls-certificate",outcome!="ok"}',
      )
      assert.ok(failing.length > 0 && failing.every(({ values }) => values.length >= 2))
    })
    const withoutData: string[] = []
    for (const query of queries) if ((await prometheus.series(query)).length === 0) withoutData.push(query)
    // Exists only with several workers: workers.test.ts checks it.
    assert.deepEqual(withoutData, ['workers_not_responding'])
    // Control: an unknown metric returns no data, and an invalid query is an error.
    assert.deepEqual(await prometheus.series('sum(rate(no_such_metric[30s]))'), [])
    await assert.rejects(prometheus.series('rate('))
  })
})
