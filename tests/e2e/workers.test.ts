import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import {
  shopAt,
  startShoppers,
  timeoutMs,
  untilHealthy,
  waitForRounds,
} from '@shop/testing/services/shoppers.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

type Line = Readonly<{ msg: string; pid?: number; worker_pid?: number; route?: string }>

const linesOf = ({ output }: RunningService): Line[] =>
  output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))

/** The process ids of all workers that have started, oldest first. */
const workersOf = (service: RunningService): number[] =>
  linesOf(service).flatMap(({ msg, worker_pid }) => (msg === 'worker started' ? (worker_pid ?? []) : []))

const scrape = async ({ url }: RunningService): Promise<string> =>
  (await request('GET', `${url}/metrics`)).body

/** The number of requests to a route, according to the metrics. */
const requestCountIn = (metrics: string, route: string): number => {
  const counts = metrics.matchAll(/^http_server_request_duration_seconds_count\{(.*)\} (\d+)$/gm)
  return [...counts]
    .filter(([, labels]) => labels?.includes(`http_route="${route}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

const requestCount = async (service: RunningService, route: string): Promise<number> =>
  requestCountIn(await scrape(service), route)

/** How many times all workers have been replaced. */
const replacementCount = (service: RunningService): number =>
  linesOf(service).filter(({ msg }) => msg === 'all workers replaced').length

const childrenOf = ({ process: { pid } }: RunningService): number[] =>
  spawnSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' })
    .stdout.split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([parent, child]) => (parent === pid && child !== undefined ? [child] : []))

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a service with two workers', { skip: withoutPostgres || withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  let product: RunningService
  let basket: RunningService
  let productId: number
  before(async () => {
    const schema = stack.use(await ownSchema())
    stack.defer(() => removeKeys(`basket:${prefix}`))
    const grpcPort = String(await freePort())
    const common = { WORKERS: '2', SHUTDOWN_DELAY_SECONDS: '2' }
    product = stack.use(
      await startService('product', { DATABASE_URL: schema.url, GRPC_PORT: grpcPort, ...common }),
    )
    const catalog = { PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }
    basket = stack.use(await startService('basket', { REDIS_URL: redisUrl, ...catalog, ...common }))
    await untilHealthy(basket)
    const pen = { name: 'Pen', price: 0.1, stock: 999 }
    productId = (await request('POST', `${product.url}/products`, pen)).body.id
  })
  after(() => stack.disposeAsync())

  const route = '/products/:id'
  /** Reads the product twenty times, each time over a new connection, so that both workers serve some reads. */
  const readProduct = async () => {
    for (let reads = 0; reads < 20; reads++) {
      const headers = { connection: 'close' }
      assert.equal(
        (await request('GET', `${product.url}/products/${productId}`, undefined, headers)).status,
        200,
      )
    }
  }

  it('serves from both workers and adds up their metrics', async () => {
    const countBefore = await requestCount(product, route)
    await readProduct()
    const servingPids = new Set(
      linesOf(product).flatMap((line) => (line.route === route ? (line.pid ?? []) : [])),
    )
    assert.deepEqual(servingPids, new Set(workersOf(product)))
    assert.equal(await requestCount(product, route), countBefore + 20)
    // Statistics of the shop and health are the same in every worker, so they are not added up.
    const { body } = await request('GET', `${product.url}/metrics`)
    assert.match(body, /^shop_products\{.*stock_band="ok".*\} 1$/m)
    assert.match(body, /^service_ready\{.*\} 1$/m)
    assert.match(body, /^dependency_up\{.*\} 1$/m)
  })

  it('replaces its workers one by one on SIGHUP under load; no request fails and no counter falls', async () => {
    const old = { product: workersOf(product), basket: workersOf(basket) }
    await using shoppers = startShoppers(8, shopAt(basket.url, productId, prefix))
    await waitForRounds(shoppers, 20)
    for (const service of [product, basket]) {
      assert.ok(service.process.kill('SIGHUP'))
      await eventually(timeoutMs, async () => {
        assert.ok(linesOf(service).some(({ msg }) => msg === 'all workers replaced'))
      })
      assert.equal(workersOf(service).length, 4)
    }
    await waitForRounds(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
    // Each round has one GET and one DELETE of the basket; the counts of exited workers are included.
    await eventually(timeoutMs, async () =>
      assert.equal(await requestCount(basket, '/baskets/:user_id'), 2 * shoppers.rounds()),
    )
    assert.deepEqual([...old.product, ...old.basket].filter(isAlive), [])
  })

  it('replaces a worker that is killed, and keeps its counters', async () => {
    await readProduct()
    const countBefore = await requestCount(product, route)
    const pidsBefore = workersOf(product)
    process.kill(pidsBefore.at(-1) ?? 0, 'SIGKILL')
    await eventually(timeoutMs, async () => assert.equal(workersOf(product).length, pidsBefore.length + 1))
    assert.ok(linesOf(product).some(({ msg }) => msg === 'worker exited; starting a replacement'))
    assert.equal(await requestCount(product, route), countBefore)
    assert.equal((await request('GET', `${product.url}/products/${productId}`)).status, 200)
  })

  it('serves metrics while a worker is still loading', async () => {
    const pidsBefore = workersOf(product)
    const replacementsBefore = replacementCount(product)
    product.process.kill('SIGHUP')
    const loading = await eventually(timeoutMs, async () => {
      const pid = childrenOf(product).find((child) => !pidsBefore.includes(child))
      assert.ok(pid)
      return pid
    })
    process.kill(loading, 'SIGSTOP')
    try {
      assert.equal((await request('GET', `${product.url}/metrics`)).status, 200)
    } finally {
      process.kill(loading, 'SIGCONT')
    }
    await eventually(timeoutMs, async () => assert.equal(replacementCount(product), replacementsBefore + 1))
  })

  it('answers a scrape with the counters of all workers while one hangs', async () => {
    await readProduct()
    const countBefore = await requestCount(product, route)
    const hung = workersOf(product).find(isAlive) ?? 0
    process.kill(hung, 'SIGSTOP')
    try {
      // The supervisor may give the hung worker one more connection, so one of two scrapes may have to wait.
      const scrapes = [scrape(product), scrape(product)]
      const metrics = await Promise.any(scrapes)
      assert.equal(requestCountIn(metrics, route), countBefore)
      assert.match(metrics, /^workers_not_responding\{service="product-service"\} 1$/m)
      process.kill(hung, 'SIGCONT')
      await Promise.all(scrapes)
    } finally {
      process.kill(hung, 'SIGCONT')
    }
    assert.match(await scrape(product), /^workers_not_responding\{.*\} 0$/m)
    assert.ok(linesOf(product).some(({ msg }) => msg === 'worker did not report metrics'))
  })

  it('has two workers again after one is killed during a replacement', async () => {
    const old = workersOf(product).find(isAlive)
    const replacementsBefore = replacementCount(product)
    product.process.kill('SIGHUP')
    process.kill(old ?? 0, 'SIGKILL')
    await eventually(timeoutMs, async () => assert.equal(replacementCount(product), replacementsBefore + 1))
    await eventually(timeoutMs, async () => assert.equal(workersOf(product).filter(isAlive).length, 2))
  })

  it('exits with 1 when a worker is killed while the service stops', async () => {
    const pid = workersOf(product).find(isAlive)
    const exited = product.stop()
    await eventually(timeoutMs, async () => assert.ok(linesOf(product).some(({ msg }) => msg === 'stopping')))
    process.kill(pid ?? 0, 'SIGKILL')
    assert.equal(await exited, 1)
  })

  it('stops all workers and exits with 0 on SIGTERM', async () => {
    const pids = workersOf(basket)
    assert.equal(await basket.stop(), 0)
    assert.deepEqual(pids.filter(isAlive), [])
  })

  it('exits with 0 on SIGTERM while its workers are starting', async () => {
    const child = spawn(process.execPath, [join(root, 'services/basket/src/main.ts')], {
      // Redis is unreachable: a worker that is not ready waits ten seconds before it listens.
      env: { ...process.env, WORKERS: '2', REDIS_URL: 'redis://127.0.0.1:1', LOG_FORMAT: 'json' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    for await (const chunk of child.stdout) if (String(chunk).includes('Redis is unreachable')) break
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  })

  it('does not start when its port is in use, and prints the reason', async () => {
    const holder = createServer((socket) => socket.destroy()).listen(0, '0.0.0.0')
    await once(holder, 'listening')
    try {
      const { port } = holder.address() as AddressInfo
      await assert.rejects(
        startService('basket', { REDIS_URL: redisUrl, WORKERS: '2', PORT: String(port) }),
        /Port \d+ is in use[^]*A worker could not start/,
      )
    } finally {
      holder.close()
    }
  })
})
