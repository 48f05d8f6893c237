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
import { more, patience, shopAt, startShoppers } from '@shop/testing/services/shoppers.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

const withoutHaproxy = await unlessReachable('haproxy (in PATH)', () =>
  promisify(execFile)('haproxy', ['-v']),
)

/** The project's configuration of HAProxy with other addresses: every one of `addresses` is replaced by its value. */
const configurationFor = (addresses: Readonly<Record<string, string>>): string =>
  Object.entries(addresses).reduce(
    (text, [address, other]) => {
      assert.ok(text.includes(address), address)
      return text.replaceAll(address, other)
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

it('behind HAProxy a restart of each of two instances of both services fails no request', {
  skip: withoutHaproxy || withoutPostgres || withoutRedis,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const schema = stack.use(await ownSchema())
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  const freePorts = async () => [String(await freePort()), String(await freePort())] as const
  const [http, grpc, baskets] = [await freePorts(), await freePorts(), await freePorts()]
  const [products, basketsFront] = await freePorts()
  const [grpcFront] = await freePorts()
  stack.use(
    await startHaproxy(
      configurationFor({
        ':8090': `127.0.0.1:${products}`,
        ':8091': `127.0.0.1:${basketsFront}`,
        ':50060': `127.0.0.1:${grpcFront}`,
        'product-service-1:50050 proto h2 check port 8080': `127.0.0.1:${grpc[0]} proto h2 check port ${http[0]}`,
        'product-service-2:50050 proto h2 check port 8080': `127.0.0.1:${grpc[1]} proto h2 check port ${http[1]}`,
        'product-service-1:8080': `127.0.0.1:${http[0]}`,
        'product-service-2:8080': `127.0.0.1:${http[1]}`,
        'basket-service-1:8081': `127.0.0.1:${baskets[0]}`,
        'basket-service-2:8081': `127.0.0.1:${baskets[1]}`,
      }),
    ),
  )
  // Longer than two checks take.
  const delay = { SHUTDOWN_DELAY_SECONDS: '4' }
  const starts = ([0, 1] as const).flatMap((index) => [
    () =>
      startService('product', {
        DATABASE_URL: schema.url,
        PORT: http[index],
        GRPC_PORT: grpc[index],
        ...delay,
      }),
    () =>
      startService('basket', {
        REDIS_URL: redisUrl,
        PORT: baskets[index],
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcFront}`,
        ...delay,
      }),
  ])
  const started = await Promise.allSettled(starts.map((start) => start()))
  const services = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  stack.defer(async () => void (await Promise.all(services.map((service) => service.stop('SIGKILL')))))
  assert.deepEqual(
    started.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])),
    [],
  )

  const catalog = `http://127.0.0.1:${products}/products`
  const shop = `http://127.0.0.1:${basketsFront}`
  const pen = { name: 'Pen', price: 0.1, stock: 999 }
  const { id } = (
    await eventually(patience, async () => {
      const answer = await request('POST', catalog, pen)
      assert.equal(answer.status, 201)
      return answer
    })
  ).body
  await eventually(patience, async () =>
    assert.equal((await request('GET', `${shop}/health`)).body.status, 'healthy'),
  )

  const shopInBasket = shopAt(shop, id, prefix)
  await using shoppers = startShoppers(8, async (connection: Connection, shopper, round) => {
    assert.equal((await connection.send('GET', `${catalog}/${id}`)).status, 200)
    await shopInBasket(connection, shopper, round)
  })
  await more(shoppers, 20)
  for (const [index, service] of services.entries()) {
    assert.equal(await service.stop(), 0)
    await more(shoppers, 10)
    services[index] = (await starts[index]?.()) ?? service
    await more(shoppers, 10)
  }
  assert.deepEqual(await shoppers.stop(), [])
})
