import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

/** Runs promtool with `input` on standard input. Resolves with its exit code and its output. */
const promtool = async (args: readonly string[], input = '') => {
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(input)
  // Awaited together: a missing program rejects `once`, and must not become an unhandled rejection.
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'exit'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { code, output: stdout + stderr }
}

const withoutPromtool = await unlessReachable('promtool (Debian: prometheus)', () => promtool(['--version']))

const sorted = (labels: readonly (string | undefined)[]) =>
  labels
    .map(String)
    .toSorted((a, b) => a.localeCompare(b))
    .join(' ')

/** The metrics in an exposition, except process metrics: name → labels, without `service` and `le`. */
const exposedMetrics = (exposition: string): Map<string, string> => {
  const metrics = new Map<string, string>()
  let name = ''
  for (const line of exposition.split('\n')) {
    name = /^# TYPE (\w+)/.exec(line)?.[1] ?? name
    if (/^$|^#|_bucket\{|_sum\{/.test(line) || /^(process|nodejs)_/.test(name)) continue
    const labels = [...line.matchAll(/(\w+)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== 'service')
    metrics.set(name, sorted(labels))
  }
  return metrics
}

/** The metrics of a service in docs/metrics.md: name → labels. */
const documentedMetrics = (service: 'product' | 'basket'): Map<string, string> => {
  const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \|([^|]*)\|([^|]*)\|/gm)]
  assert.ok(rows.length > 15)
  return new Map(
    rows
      .filter(([, , , services = '']) => services.includes('both') || services.includes(service))
      .map(([, name = '', labels = '']) => [
        name,
        sorted([...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)),
      ]),
  )
}

describe('the metrics of both services', { skip: withoutPostgres || withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  const user = `${ownPrefix()}ann`
  const key = newApiKey('tests', 'products:write', 'baskets:any')
  const headers = { authorization: key.authorization }
  let product: RunningService
  let basket: RunningService
  before(async () => {
    const schema = stack.use(await ownSchema())
    stack.defer(() => removeKeys(`basket:${user}`))
    const grpcPort = String(await freePort())
    const folder = await mkdtempDisposable(join(tmpdir(), 'metrics-keys-'))
    stack.defer(() => folder.remove())
    const auth = { AUTH: 'keys', API_KEYS_FILE: join(folder.path, 'keys') }
    await writeFile(auth.API_KEYS_FILE, key.line)
    product = stack.use(
      await startService('product', { DATABASE_URL: schema.url, GRPC_PORT: grpcPort, ...auth }),
    )
    basket = stack.use(
      await startService('basket', {
        REDIS_URL: redisUrl,
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
        ...auth,
      }),
    )
    const pen = { name: 'Pen', price: 1.5, stock: 3, category: 'Office' }
    const { id } = (await request('POST', `${product.url}/products`, pen, headers)).body
    const items = `${basket.url}/baskets/${user}/items`
    await eventually(20_000, async () =>
      assert.equal((await request('POST', items, { product_id: id, quantity: 2 }, headers)).status, 200),
    )
    assert.equal((await request('POST', items, { product_id: id, quantity: 2 }, headers)).status, 409)
  })
  after(() => stack.disposeAsync())

  const scrape = async ({ url }: RunningService) => (await request('GET', `${url}/metrics`)).body as string

  it('are exactly those in docs/metrics.md, with the same labels', async () => {
    assert.deepEqual(
      Object.fromEntries(exposedMetrics(await scrape(product))),
      Object.fromEntries(documentedMetrics('product')),
    )
    assert.deepEqual(
      Object.fromEntries(exposedMetrics(await scrape(basket))),
      Object.fromEntries(documentedMetrics('basket')),
    )
  })

  it('pass promtool check metrics', { skip: withoutPromtool }, async () => {
    for (const service of [product, basket])
      assert.deepEqual(await promtool(['check', 'metrics'], await scrape(service)), { code: 0, output: '' })
    // Control: promtool reports a counter without the suffix `_total`.
    const broken = '# HELP shop_things Things\n# TYPE shop_things counter\nshop_things 1\n'
    assert.notEqual((await promtool(['check', 'metrics'], broken)).output, '')
  })

  it('include every metric that the rules use, and the rules pass their tests', {
    skip: withoutPromtool,
  }, async () => {
    const rules = join(root, 'deploy/observability/rules')
    const files = ['tests.yml', 'tests-of-hours.yml'].map((file) => join(rules, file))
    const { code, output } = await promtool(['test', 'rules', ...files])
    assert.equal(code, 0, output)
    assert.equal((await promtool(['check', 'config', join(rules, '../prometheus.yml')])).code, 0)
    // Every metric in a rule is either exposed by a service or recorded by another rule.
    const rulesText = ['recording.yml', 'alerts.yml']
      .map((file) => readFileSync(join(rules, file), 'utf8'))
      .join('')
    const recorded = new Set([...rulesText.matchAll(/- record: (\S+)/g)].map(([, name = '']) => name))
    const exposition = (await scrape(product)) + (await scrape(basket))
    const used = [
      ...rulesText.matchAll(
        /\b(?:authentications|http|rpc|db|dependency|circuit|nodejs|redis|shop|service)[a-z0-9_:]*_[a-z0-9_:]+/g,
      ),
    ].map(([name]) => name)
    const exists = (name: string) => recorded.has(name) || exposition.includes(`\n${name}{`)
    const labels =
      /^(http_request_method|http_route|http_response_status_code|db_client_connection_pool_name|circuit_breaker)$/
    const missing = used.filter((name) => !exists(name) && !labels.test(name))
    assert.deepEqual([...new Set(missing)], [])
    assert.ok(used.length > 20)
  })

  it('have the expected values after some requests, and contain no user id and no key', async () => {
    const productMetrics = await scrape(product)
    const basketMetrics = await scrape(basket)
    const value = (exposition: string, name: string, ...labels: string[]) =>
      Number(
        exposition
          .split('\n')
          .find((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
          ?.split(' ')
          .at(-1),
      )
    assert.equal(value(productMetrics, 'shop_products', 'stock_band="low"'), 1)
    assert.equal(value(productMetrics, 'shop_inventory_value', 'category="Office"'), 4.5)
    const refused = ['use_case="addItem"', 'outcome="insufficient_stock"']
    assert.equal(value(basketMetrics, 'use_case_duration_seconds_count', ...refused), 1)
    const operations = 'db_client_operation_duration_seconds_count'
    assert.ok(value(basketMetrics, operations, '"compareAndSet"', 'outcome="ok"') >= 1)
    assert.ok(value(productMetrics, operations, '"insert"', 'outcome="ok"') >= 1)
    assert.ok(value(basketMetrics, 'shop_active_baskets') >= 1)
    assert.equal(value(basketMetrics, 'circuit_breaker_state', '"product-service"', 'state="closed"'), 1)
    assert.equal(value(basketMetrics, 'dependency_up', 'dependency="product-service"'), 1)
    const accepted = ['credentials="api_key"', 'outcome="accepted"']
    assert.equal(value(productMetrics, 'authentications_total', ...accepted), 1)
    assert.doesNotMatch(productMetrics + basketMetrics, new RegExp(`${user}|${key.key}`))
  })
})
