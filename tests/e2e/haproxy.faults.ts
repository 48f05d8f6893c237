import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import type { Connection } from '@shop/testing/services/kept-connection.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { shopAt, startShoppers, timeoutMs, waitForRounds } from '@shop/testing/services/shoppers.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

const withoutHaproxy = await unlessReachable('haproxy (in PATH)', () =>
  promisify(execFile)('haproxy', ['-v']),
)

/** The project's HAProxy configuration with each key of `addresses` replaced by its value. */
const configurationFor = (addresses: Readonly<Record<string, string>>): string =>
  Object.entries(addresses).reduce(
    (text, [address, replacement]) => {
      assert.ok(text.includes(address), address)
      return text.replaceAll(address, replacement)
    },
    readFileSync(join(root, 'deploy/haproxy/haproxy.cfg'), 'utf8'),
  )

const startHaproxy = async (configuration: string) => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'haproxy-'))
  const file = join(folder.path, 'haproxy.cfg')
  await writeFile(file, configuration)
  const server = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' })
  const exited = once(server, 'exit')
  return {
    [Symbol.asyncDispose]: async () => {
      server.kill('SIGTERM')
      await exited
      await folder.remove()
    },
  }
}

it('no request fails while both instances of both services are restarted in turn behind HAProxy', {
  skip: withoutHaproxy || withoutPostgres || withoutRedis,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const schema = stack.use(await ownSchema())
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  const freePorts = async () => [String(await freePort()), String(await freePort())] as const
  const [productHttp, productGrpc, basketHttp] = [await freePorts(), await freePorts(), await freePorts()]
  const [productOperations, basketOperations] = [await freePorts(), await freePorts()]
  const [productFrontend, basketFrontend] = await freePorts()
  const [grpcFrontend] = await freePorts()
  stack.use(
    await startHaproxy(
      configurationFor({
        ':8090': `127.0.0.1:${productFrontend}`,
        ':8091': `127.0.0.1:${basketFrontend}`,
        ':50060': `127.0.0.1:${grpcFrontend}`,
        'product-service-1:50050 proto h2 check port 9080': `127.0.0.1:${productGrpc[0]} proto h2 check port ${productOperations[0]}`,
        'product-service-2:50050 proto h2 check port 9080': `127.0.0.1:${productGrpc[1]} proto h2 check port ${productOperations[1]}`,
        'product-service-1:8080 port 9080': `127.0.0.1:${productHttp[0]} port ${productOperations[0]}`,
        'product-service-2:8080 port 9080': `127.0.0.1:${productHttp[1]} port ${productOperations[1]}`,
        'basket-service-1:8081 port 9081': `127.0.0.1:${basketHttp[0]} port ${basketOperations[0]}`,
        'basket-service-2:8081 port 9081': `127.0.0.1:${basketHttp[1]} port ${basketOperations[1]}`,
      }),
    ),
  )
  // Longer than the two failed health checks after which HAProxy removes a server.
  const shutdownDelay = { SHUTDOWN_DELAY_SECONDS: '4' }
  const starters = ([0, 1] as const).flatMap((index) => [
    () =>
      startService('product', {
        DATABASE_URL: schema.url,
        PORT: productHttp[index],
        GRPC_PORT: productGrpc[index],
        OPERATIONS_PORT: productOperations[index],
        ...shutdownDelay,
      }),
    () =>
      startService('basket', {
        REDIS_URL: redisUrl,
        PORT: basketHttp[index],
        OPERATIONS_PORT: basketOperations[index],
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcFrontend}`,
        ...shutdownDelay,
      }),
  ])
  const started = await Promise.allSettled(starters.map((start) => start()))
  const services = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  stack.defer(async () => void (await Promise.all(services.map((service) => service.stop('SIGKILL')))))
  assert.deepEqual(
    started.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])),
    [],
  )

  const catalogUrl = `http://127.0.0.1:${productFrontend}/products`
  const basketUrl = `http://127.0.0.1:${basketFrontend}`
  const pen = { name: 'Pen', price: 0.1, stock: 999 }
  const { id } = (
    await eventually(timeoutMs, async () => {
      const response = await request('POST', catalogUrl, pen)
      assert.equal(response.status, 201)
      return response
    })
  ).body
  for (const port of basketOperations)
    await eventually(timeoutMs, async () =>
      assert.equal((await request('GET', `http://127.0.0.1:${port}/health`)).body.status, 'healthy'),
    )
  await eventually(timeoutMs, async () =>
    assert.equal((await request('GET', `${basketUrl}/health/live`)).status, 200),
  )

  const shopInBasket = shopAt(basketUrl, id, prefix)
  await using shoppers = startShoppers(8, async (connection: Connection, shopper, round) => {
    assert.equal((await connection.send('GET', `${catalogUrl}/${id}`)).status, 200)
    await shopInBasket(connection, shopper, round)
  })
  await waitForRounds(shoppers, 20)
  for (const [index, service] of services.entries()) {
    assert.equal(await service.stop(), 0)
    await waitForRounds(shoppers, 10)
    services[index] = (await starters[index]?.()) ?? service
    await waitForRounds(shoppers, 10)
  }
  assert.deepEqual(await shoppers.stop(), [])
})
