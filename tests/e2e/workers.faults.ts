import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { credentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
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

type Line = Readonly<{ msg: string; pid?: number; worker_pid?: number; route?: string; signal?: string }>

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

/** Four starts of a service one after the other, on a busy machine. */
const replacementLimitMs = 4 * timeoutMs

/** How many times all workers have been replaced. */
const replacementCount = (service: RunningService): number =>
  linesOf(service).filter(({ msg }) => msg === 'all workers replaced').length

/** Waits until the supervisor stops its workers. Workers that hang do not log this. */
const untilStopping = (service: RunningService) =>
  eventually(timeoutMs, async () =>
    assert.ok(linesOf(service).some(({ msg, signal }) => msg === 'stopping' && signal === 'SIGTERM')),
  )

const childrenOf = ({ process: { pid } }: RunningService): number[] =>
  spawnSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' })
    .stdout.split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([parent, child]) => (parent === pid && child !== undefined ? [child] : []))

/** False also if the process has ended and its parent has not noticed (state Z). */
const isAlive = (pid: number): boolean =>
  /^[^Z\s]/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout)

const portOf = ({ url }: RunningService): number => Number(new URL(url).port)

const httpRequest = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
/** The first bytes of a gRPC connection: the preface of HTTP/2 and an empty SETTINGS frame. */
const grpcPreface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

/** Starts `count` clients that open one connection after the other. Each sends `bytes` after a moment, and waits for a response. */
const startCallers = (count: number, port: number, bytes: string) => {
  const open = new Set<Socket>()
  const stopping = new AbortController()
  let [answered, lost] = [0, 0]
  const call = async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    open.add(socket)
    const closed = new Promise<void>((resolve) =>
      socket.once('close', () => {
        open.delete(socket)
        if (socket.bytesRead > 0) answered += 1
        else lost += 1
        resolve()
      }),
    )
    socket.once('data', () => socket.destroy())
    await delay(10)
    socket.write(bytes)
    // A connection without a response does not stop its client.
    await Promise.race([closed, delay(1_000)])
  }
  const running = Array.from({ length: count }, async () => {
    while (!stopping.signal.aborted) await call()
  })
  return {
    answered: () => answered,
    /** The number of connections that were refused, or closed without a response. */
    lost: () => lost,
    /** Stops, and waits until all connections are closed. */
    stop: async () => {
      stopping.abort()
      await Promise.all(running)
      await eventually(timeoutMs, async () => assert.equal(open.size, 0, 'connections without a response'))
    },
    [Symbol.dispose]: () => {
      stopping.abort()
      for (const socket of open) socket.destroy()
    },
  }
}

const descriptorCount = ({ process: { pid } }: RunningService): number =>
  process.platform === 'linux' ? readdirSync(`/proc/${pid}/fd`).length : 0

describe('a service with two workers', { skip: withoutPostgres || withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  let product: RunningService
  let basket: RunningService
  let productId: number
  let grpcPort: number
  before(async () => {
    const schema = stack.use(await ownSchema())
    stack.defer(() => removeKeys(`basket:${prefix}`))
    grpcPort = await freePort()
    const common = { WORKERS: '2', SHUTDOWN_DELAY_SECONDS: '0' }
    product = stack.use(
      await startService('product', { DATABASE_URL: schema.url, GRPC_PORT: String(grpcPort), ...common }),
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
      await eventually(replacementLimitMs, async () => {
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

  it('loses no connection and no call on SIGHUP', async () => {
    const client = new ProductServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    using _ = { [Symbol.dispose]: () => client.close() }
    const getProduct = promisify(
      (id: number, callback: (error: Error | null) => void) => void client.getProduct({ id }, callback),
    )
    await using clients = startShoppers(3, async ({ send }, shopper) => {
      assert.equal((await send('GET', `${product.url}/products/${productId}`)).status, 200)
      await getProduct(productId)
      await delay(20 + 10 * shopper)
    })
    using productCallers = startCallers(2, portOf(product), httpRequest)
    using basketCallers = startCallers(2, portOf(basket), httpRequest)
    using grpcCallers = startCallers(2, grpcPort, grpcPreface)
    await waitForRounds(clients, 20)
    const replacementsBefore = { product: replacementCount(product), basket: replacementCount(basket) }
    for (const service of [product, basket]) service.process.kill('SIGHUP')
    await eventually(replacementLimitMs, async () => {
      assert.equal(replacementCount(product), replacementsBefore.product + 1)
      assert.equal(replacementCount(basket), replacementsBefore.basket + 1)
    })
    await waitForRounds(clients, 20)
    assert.deepEqual(await clients.stop(), [])
    for (const callers of [productCallers, basketCallers, grpcCallers]) {
      await callers.stop()
      assert.ok(callers.answered() > 0)
      assert.equal(callers.lost(), 0)
    }
  })

  it('leaves no connection and no descriptor open when a worker is killed', async () => {
    const pidsBefore = workersOf(product)
    const descriptorsBefore = descriptorCount(product)
    using httpCallers = startCallers(8, portOf(product), httpRequest)
    using grpcCallers = startCallers(8, grpcPort, grpcPreface)
    await eventually(timeoutMs, async () => {
      assert.ok(httpCallers.answered() > 50)
      assert.ok(grpcCallers.answered() > 50)
    })
    process.kill(pidsBefore.at(-1) ?? 0, 'SIGKILL')
    await eventually(timeoutMs, async () => assert.equal(workersOf(product).length, pidsBefore.length + 1))
    await httpCallers.stop()
    await grpcCallers.stop()
    await eventually(timeoutMs, async () => assert.ok(descriptorCount(product) <= descriptorsBefore))
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
    const pid = workersOf(product).find(isAlive) ?? 0
    process.kill(pid, 'SIGSTOP')
    const exited = product.stop()
    await untilStopping(product)
    process.kill(pid, 'SIGKILL')
    assert.equal(await exited, 1)
  })

  it('stops all workers and exits with 0 on SIGTERM', async () => {
    const pids = workersOf(basket)
    assert.equal(await basket.stop(), 0)
    assert.deepEqual(pids.filter(isAlive), [])
  })

  it('ends a worker that hangs on the second SIGTERM', async () => {
    await using service = await startService('basket', { REDIS_URL: redisUrl, WORKERS: '2' })
    const pid = workersOf(service).find(isAlive) ?? 0
    process.kill(pid, 'SIGSTOP')
    const exited = service.stop()
    await untilStopping(service)
    service.process.kill('SIGTERM')
    assert.equal(await exited, 1)
    await eventually(timeoutMs, async () => assert.ok(!isAlive(pid)))
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
