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
import { more, patience, shopAt, startShoppers, untilHealthy } from '@shop/testing/services/shoppers.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

type Line = Readonly<{ msg: string; pid?: number; worker_pid?: number; route?: string }>

const linesOf = ({ output }: RunningService): Line[] =>
  output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))

/** The processes that served, from the first one on. */
const workersOf = (service: RunningService): number[] =>
  linesOf(service).flatMap(({ msg, worker_pid }) => (msg === 'worker started' ? (worker_pid ?? []) : []))

/** How many requests of a route there were, by the metrics of whichever worker answers. */
const countOf = async ({ url }: RunningService, route: string): Promise<number> => {
  const { body } = await request('GET', `${url}/metrics`)
  const counts = String(body).matchAll(/^http_server_request_duration_seconds_count\{(.*)\} (\d+)$/gm)
  return [...counts]
    .filter(([, labels]) => labels?.includes(`http_route="${route}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

/** How many times all of them have been replaced. */
const replacements = (service: RunningService): number =>
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
  /** Reads the product twenty times, each over a connection of its own, so that both workers serve some. */
  const readProduct = async () => {
    for (let reads = 0; reads < 20; reads++) {
      const headers = { connection: 'close' }
      assert.equal(
        (await request('GET', `${product.url}/products/${productId}`, undefined, headers)).status,
        200,
      )
    }
  }

  it('answers from both, and tells the figures of both as one', async () => {
    const counted = await countOf(product, route)
    await readProduct()
    const served = new Set(linesOf(product).flatMap((line) => (line.route === route ? (line.pid ?? []) : [])))
    assert.deepEqual(served, new Set(workersOf(product)))
    assert.equal(await countOf(product, route), counted + 20)
    // Of the shop and not of a worker: not twice.
    const { body } = await request('GET', `${product.url}/metrics`)
    assert.match(body, /^shop_products\{.*stock_band="ok".*\} 1$/m)
    assert.match(body, /^service_ready\{.*\} 1$/m)
    assert.match(body, /^dependency_up\{.*\} 1$/m)
  })

  it('replaces them one after the other on SIGHUP, under load, without a request that fails or a count that falls', async () => {
    const old = { product: workersOf(product), basket: workersOf(basket) }
    await using shoppers = startShoppers(8, shopAt(basket.url, productId, prefix))
    await more(shoppers, 20)
    for (const service of [product, basket]) {
      assert.ok(service.process.kill('SIGHUP'))
      await eventually(patience, async () => {
        assert.ok(linesOf(service).some(({ msg }) => msg === 'all workers replaced'))
      })
      assert.equal(workersOf(service).length, 4)
    }
    await more(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
    // One look and one farewell in each round, whichever worker counted them, and be it gone.
    await eventually(patience, async () =>
      assert.equal(await countOf(basket, '/baskets/:user_id'), 2 * shoppers.rounds()),
    )
    assert.deepEqual([...old.product, ...old.basket].filter(isAlive), [])
  })

  it('replaces a worker that is killed, and keeps its counters', async () => {
    await readProduct()
    const counted = await countOf(product, route)
    const serving = workersOf(product)
    process.kill(serving.at(-1) ?? 0, 'SIGKILL')
    await eventually(patience, async () => assert.equal(workersOf(product).length, serving.length + 1))
    assert.ok(linesOf(product).some(({ msg }) => msg === 'worker exited; starting a replacement'))
    assert.equal(await countOf(product, route), counted)
    assert.equal((await request('GET', `${product.url}/products/${productId}`)).status, 200)
  })

  it('tells its metrics while a worker is still loading', async () => {
    const serving = workersOf(product)
    const replaced = replacements(product)
    product.process.kill('SIGHUP')
    const loading = await eventually(patience, async () => {
      const pid = childrenOf(product).find((child) => !serving.includes(child))
      assert.ok(pid)
      return pid
    })
    process.kill(loading, 'SIGSTOP')
    try {
      assert.equal((await request('GET', `${product.url}/metrics`)).status, 200)
    } finally {
      process.kill(loading, 'SIGCONT')
    }
    await eventually(patience, async () => assert.equal(replacements(product), replaced + 1))
  })

  it('answers a scrape with the counters of all workers while one is hung', async () => {
    await readProduct()
    const counted = await countOf(product, route)
    const hung = workersOf(product).find(isAlive) ?? 0
    process.kill(hung, 'SIGSTOP')
    try {
      // The supervisor may hand the hung worker one more connection.
      const scrapes = [countOf(product, route), countOf(product, route)]
      assert.equal(await Promise.any(scrapes), counted)
      process.kill(hung, 'SIGCONT')
      assert.deepEqual(await Promise.all(scrapes), [counted, counted])
    } finally {
      process.kill(hung, 'SIGCONT')
    }
    assert.ok(linesOf(product).some(({ msg }) => msg === 'worker did not report metrics'))
  })

  it('has no worker too many when one dies while they are replaced', async () => {
    const old = workersOf(product).find(isAlive)
    const replaced = replacements(product)
    product.process.kill('SIGHUP')
    process.kill(old ?? 0, 'SIGKILL')
    await eventually(patience, async () => assert.equal(replacements(product), replaced + 1))
    await eventually(patience, async () => assert.equal(workersOf(product).filter(isAlive).length, 2))
  })

  it('ends with 1 when a worker dies while it stops', async () => {
    const first = workersOf(product).find(isAlive)
    const exited = product.stop()
    await eventually(patience, async () => assert.ok(linesOf(product).some(({ msg }) => msg === 'stopping')))
    process.kill(first ?? 0, 'SIGKILL')
    assert.equal(await exited, 1)
  })

  it('ends with all of them, and 0, on SIGTERM', async () => {
    const pids = workersOf(basket)
    assert.equal(await basket.stop(), 0)
    assert.deepEqual(pids.filter(isAlive), [])
  })

  it('ends when it is told to while its workers still start', async () => {
    const child = spawn(process.execPath, [join(root, 'services/basket/src/main.ts')], {
      // Nothing listens there, and a worker that is not ready does not serve for ten seconds.
      env: { ...process.env, WORKERS: '2', REDIS_URL: 'redis://127.0.0.1:1', LOG_FORMAT: 'json' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    for await (const chunk of child.stdout) if (String(chunk).includes('Redis is unreachable')) break
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  })

  it('does not start where its port is taken, and says so', async () => {
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
