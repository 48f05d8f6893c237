import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Client, credentials } from '@grpc/grpc-js'
import { checkServing } from '@shop/platform/grpc/client.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

const timeoutMs = 20_000
const operational = ['/metrics', '/health', '/health/ready']

const portOf = (url: string): number => Number(new URL(url).port)

/** Opens a connection and sends the text over it. */
const open = async (url: string, text: string): Promise<Socket> => {
  const socket = connect(portOf(url), '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** Reads until the server closes the connection. */
const readAll = async (socket: Socket): Promise<string> => {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close', { signal: AbortSignal.timeout(timeoutMs) })
  return text
}

const statusOf = async (url: string, line: string): Promise<number> => {
  const head = `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
  return Number((await readAll(await open(url, head))).split(' ')[1])
}

const startedLine = ({ output }: RunningService) =>
  JSON.parse(
    output()
      .split('\n')
      .find((line) => line.includes('"msg":"started"')) ?? assert.fail(output()),
  )

describe('a service with an operations port', { skip: withoutPostgres || withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  let services: readonly [product: RunningService, basket: RunningService]
  let grpcPort: number
  const prefix = ownPrefix()
  before(async () => {
    const schema = stack.use(await ownSchema())
    stack.defer(() => removeKeys(`basket:${prefix}`))
    grpcPort = await freePort()
    const environment = async () => ({
      OPERATIONS_PORT: String(await freePort()),
      SHUTDOWN_DELAY_SECONDS: '0',
      // In development, clients on the same machine have no share.
      TRUST_PROXY: 'off',
    })
    services = await Promise.all([
      startService('product', {
        DATABASE_URL: schema.url,
        GRPC_PORT: String(grpcPort),
        ...(await environment()),
      }),
      startService('basket', {
        REDIS_URL: redisUrl,
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
        ...(await environment()),
      }),
    ])
    for (const service of services) stack.use(service)
  })
  after(() => stack.disposeAsync())

  it('names it in the log', () => {
    for (const service of services)
      assert.equal(startedLine(service).operations_port, portOf(service.operationsUrl))
    assert.equal(startedLine(services[0]).grpc_port, grpcPort)
  })

  it('has health and metrics there, and of them only /health/live on its public port', async () => {
    for (const { url, operationsUrl } of services) {
      for (const path of operational) {
        assert.equal((await request('GET', `${operationsUrl}${path}`)).status, 200, path)
        const { status, body } = await request('GET', `${url}${path}`)
        assert.deepEqual([status, body.code], [404, 'not_found'], path)
      }
      for (const base of [url, operationsUrl])
        assert.equal((await request('GET', `${base}/health/live`)).body.status, 'alive')
      for (const target of ['/%6detrics', '/metrics/', '//metrics', 'http://localhost/metrics', '/%68ealth'])
        for (const method of ['GET', 'HEAD', 'OPTIONS'])
          assert.equal(await statusOf(url, `${method} ${target}`), 404, `${method} ${target}`)
      const { paths } = (await request('GET', `${url}/openapi.json`)).body
      assert.deepEqual(
        Object.keys(paths).filter((path) => /health|metrics/.test(path)),
        ['/health/live'],
      )
    }
  })

  it('has nothing of its API there', async () => {
    const [product, basket] = services
    for (const url of [
      `${product.operationsUrl}/products`,
      `${product.operationsUrl}/products/top-5`,
      `${basket.operationsUrl}/baskets/ann`,
      `${basket.operationsUrl}/docs`,
      `${basket.operationsUrl}/`,
    ])
      assert.equal((await request('GET', url)).status, 404, url)
  })

  it('keeps the health of gRPC on the gRPC port', async () => {
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    using _ = { [Symbol.dispose]: () => client.close() }
    await eventually(timeoutMs, () => checkServing(client, 'product.ProductService', timeoutMs))
  })

  it('is observed while one client uses up its connections', async () => {
    for (const [{ url, operationsUrl }, path] of [
      [services[0], '/products/1'],
      [services[1], '/baskets/ann'],
    ] as const) {
      const text = `GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n`
      const sockets = await Promise.all(Array.from({ length: 200 }, () => open(url, text)))
      await Promise.all(sockets.map((socket) => once(socket, 'data')))
      // If a connection of an earlier test was still open, one of these was refused and has closed.
      await eventually(timeoutMs, async () => {
        sockets.push(await open(url, text))
        assert.equal(await statusOf(url, `GET ${path}`), 429)
      })
      for (const operation of [...operational, '/health/live'])
        assert.equal(await statusOf(operationsUrl, `GET ${operation}`), 200, operation)
      for (const socket of sockets) socket.destroy()
      await eventually(timeoutMs, async () => assert.notEqual(await statusOf(url, `GET ${path}`), 429))
    }
  })

  it('says there that it is not ready until its last request is answered, then stops', async () => {
    const requests = [
      ['/products', '{"name":"Pen","price":1}', 201],
      ['/baskets', `{"user_id":"${prefix}drain"}`, 201],
    ] as const
    // The basket service first: it needs the product service.
    for (const index of [1, 0] as const) {
      const service = services[index]
      const [path, body, status] = requests[index]
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
      const socket = await open(service.url, head + body.slice(0, 5))
      const answer = readAll(socket)
      await eventually(timeoutMs, async () =>
        assert.match(
          (await request('GET', `${service.operationsUrl}/metrics`)).body,
          /^http_server_active_requests\S* 2$/m,
        ),
      )
      const stopped = service.stop()
      await eventually(timeoutMs, () => assert.rejects(open(service.url, '')))
      const { status: ready, body: report } = await request('GET', `${service.operationsUrl}/health/ready`)
      assert.deepEqual([ready, report.status], [503, 'unhealthy'])
      assert.equal((await request('GET', `${service.operationsUrl}/health/live`)).status, 200)
      assert.equal((await request('GET', `${service.operationsUrl}/metrics`)).status, 200)
      socket.write(body.slice(5))
      assert.match(await answer, new RegExp(`^HTTP/1.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'))
      assert.equal(await stopped, 0)
      await assert.rejects(open(service.operationsUrl, ''))
    }
  })
})

describe('a service whose operations port', () => {
  const start = (environment: Readonly<Record<string, string>>) =>
    startService('basket', { STORAGE: 'redis', REDIS_URL: 'redis://127.0.0.1:1', ...environment })

  it('is its public port does not start, and says why', async () => {
    const port = String(await freePort())
    await assert.rejects(
      start({ PORT: port, OPERATIONS_PORT: port }),
      /Invalid configuration:\n {2}- OPERATIONS_PORT and PORT must differ/,
    )
  })
})
