import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

/** Runs promtool on a text, and resolves with its exit code and what it says. */
const promtool = async (args: readonly string[], input = '') => {
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  child.stdin.end(input)
  const said = (await text(child.stdout)) + (await text(child.stderr))
  const [code] = await exited
  return { code, said }
}

const withoutPromtool = await unlessReachable('promtool (Debian: prometheus)', () => promtool(['--version']))

const sorted = (labels: readonly (string | undefined)[]) =>
  labels
    .map(String)
    .toSorted((a, b) => a.localeCompare(b))
    .join(' ')

/** Name → labels of the metrics, without those of buckets, sums and counts, and without what Node.js' own are. */
const familiesOf = (exposition: string): Map<string, string> => {
  const families = new Map<string, string>()
  let name = ''
  for (const line of exposition.split('\n')) {
    name = /^# TYPE (\w+)/.exec(line)?.[1] ?? name
    if (/^$|^#|_bucket\{|_sum\{/.test(line) || /^(process|nodejs)_/.test(name)) continue
    const labels = [...line.matchAll(/(\w+)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== 'service')
    families.set(name, sorted(labels))
  }
  return families
}

/** The same of the page that lists them, by service. */
const documented = (service: 'product' | 'basket'): Map<string, string> => {
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

describe('the metrics of the shop', { skip: withoutPostgres || withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  const user = `${ownPrefix()}ann`
  let product: RunningService
  let basket: RunningService
  before(async () => {
    const schema = stack.use(await ownSchema())
    stack.defer(() => removeKeys(`basket:${user}`))
    const grpcPort = String(await freePort())
    product = stack.use(await startService('product', { DATABASE_URL: schema.url, GRPC_PORT: grpcPort }))
    basket = stack.use(
      await startService('basket', { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }),
    )
    const pen = { name: 'Pen', price: 1.5, stock: 3, category: 'Office' }
    const { id } = (await request('POST', `${product.url}/products`, pen)).body
    const items = `${basket.url}/baskets/${user}/items`
    await eventually(20_000, async () =>
      assert.equal((await request('POST', items, { product_id: id, quantity: 2 })).status, 200),
    )
    assert.equal((await request('POST', items, { product_id: id, quantity: 2 })).status, 409)
  })
  after(() => stack.disposeAsync())

  const scrape = async ({ url }: RunningService) => (await request('GET', `${url}/metrics`)).body as string

  it('are those that the page about them lists, with the same labels', async () => {
    assert.deepEqual(
      Object.fromEntries(familiesOf(await scrape(product))),
      Object.fromEntries(documented('product')),
    )
    assert.deepEqual(
      Object.fromEntries(familiesOf(await scrape(basket))),
      Object.fromEntries(documented('basket')),
    )
  })

  it('keep the rules of Prometheus', { skip: withoutPromtool }, async () => {
    for (const service of [product, basket])
      assert.deepEqual(await promtool(['check', 'metrics'], await scrape(service)), { code: 0, said: '' })
    // To see that it would be seen.
    const broken = '# HELP shop_things Things\n# TYPE shop_things counter\nshop_things 1\n'
    assert.notEqual((await promtool(['check', 'metrics'], broken)).said, '')
  })

  it('have rules that are well formed, and alerts that do what they are for', {
    skip: withoutPromtool,
  }, async () => {
    const rules = join(root, 'deploy/observability/rules')
    const { code, said } = await promtool(['test', 'rules', join(rules, 'tests.yml')])
    assert.equal(code, 0, said)
    assert.equal((await promtool(['check', 'config', join(rules, '../prometheus.yml')])).code, 0)
    // Every metric that a rule asks for is one that the services have, or another rule makes.
    const written = ['recording.yml', 'alerts.yml']
      .map((file) => readFileSync(join(rules, file), 'utf8'))
      .join('')
    const made = new Set([...written.matchAll(/- record: (\S+)/g)].map(([, name = '']) => name))
    const scraped = (await scrape(product)) + (await scrape(basket))
    const asked = [
      ...written.matchAll(
        /\b(?:http|rpc|db|dependency|circuit|nodejs|redis|shop|service)[a-z0-9_:]*_[a-z0-9_:]+/g,
      ),
    ].map(([name]) => name)
    const known = (name: string) => made.has(name) || scraped.includes(`\n${name}{`)
    const labels = /^(http_route|http_response_status_code|db_client_connection_pool_name|circuit_breaker)$/
    const unknown = asked.filter((name) => !known(name) && !labels.test(name))
    assert.deepEqual([...new Set(unknown)], [])
    assert.ok(asked.length > 20)
  })

  it('count what was asked for, and tell of the shop, and of no user', async () => {
    const ofProduct = await scrape(product)
    const ofBasket = await scrape(basket)
    const value = (exposition: string, name: string, ...labels: string[]) =>
      Number(
        exposition
          .split('\n')
          .find((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
          ?.split(' ')
          .at(-1),
      )
    assert.equal(value(ofProduct, 'shop_products', 'stock_band="low"'), 1)
    assert.equal(value(ofProduct, 'shop_inventory_value', 'category="Office"'), 4.5)
    const refused = ['use_case="addItem"', 'outcome="insufficient_stock"']
    assert.equal(value(ofBasket, 'use_case_duration_seconds_count', ...refused), 1)
    const operations = 'db_client_operation_duration_seconds_count'
    assert.ok(value(ofBasket, operations, '"compareAndSet"', 'outcome="ok"') >= 1)
    assert.ok(value(ofProduct, operations, '"insert"', 'outcome="ok"') >= 1)
    assert.ok(value(ofBasket, 'shop_active_baskets') >= 1)
    assert.equal(value(ofBasket, 'circuit_breaker_state', '"product-service"', 'state="closed"'), 1)
    assert.equal(value(ofBasket, 'dependency_up', 'dependency="product-service"'), 1)
    assert.doesNotMatch(ofProduct + ofBasket, new RegExp(user))
  })
})
