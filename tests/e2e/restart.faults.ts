import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startBalancer } from '@shop/testing/services/balancer.ts'
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

const ownFolder = () => mkdtempDisposable(join(tmpdir(), 'restart-'))

describe('under load, no request fails', () => {
  it('when a new basket service replaces the old one behind a load balancer', {
    skip: withoutRedis,
  }, async () => {
    await using folder = await ownFolder()
    const prefix = ownPrefix()
    await using _ = { [Symbol.asyncDispose]: () => removeKeys(`basket:${prefix}`) }
    await using stack = new AsyncDisposableStack()
    const grpcPort = String(await freePort())
    const startProductService = async () =>
      stack.use(await startService('product', { DATA_DIR: folder.path, GRPC_PORT: grpcPort }))
    const startBasket = async () =>
      stack.use(
        await startService('basket', {
          REDIS_URL: redisUrl,
          PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
          SHUTDOWN_DELAY_SECONDS: '2',
        }),
      )
    const [old] = await Promise.all([startBasket(), startProductService()])
    await using balancer = await startBalancer()
    const addToBalancer = async (basket: RunningService) => {
      await untilHealthy(basket)
      balancer.add(basket.url)
      await eventually(timeoutMs, async () => assert.ok(balancer.isReady(basket.url)))
    }
    await addToBalancer(old)

    await using shoppers = startShoppers(8, shopAt(balancer.url, 1, prefix))
    await waitForRounds(shoppers, 20)
    await addToBalancer(await startBasket())
    await waitForRounds(shoppers, 20)
    const before = shoppers.rounds()
    assert.equal(await old.stop(), 0)
    assert.ok(shoppers.rounds() > before, 'no round was completed during the stop')
    await waitForRounds(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
  })

  it('when one of two product services is stopped and restarted, and then the other is killed and restarted', {
    skip: withoutPostgres,
  }, async () => {
    await using folder = await ownFolder()
    await using schema = await ownSchema()
    await using stack = new AsyncDisposableStack()
    const startProductService = async (grpcPort: string) =>
      stack.use(await startService('product', { DATABASE_URL: schema.url, GRPC_PORT: grpcPort }))
    const ports = [String(await freePort()), String(await freePort())] as const
    const startBasket = async () =>
      stack.use(
        await startService('basket', {
          DATA_DIR: folder.path,
          PRODUCT_SERVICE_URL: ports.map((port) => `127.0.0.1:${port}`).join(','),
        }),
      )
    const [first, second, basket] = await Promise.all([
      startProductService(ports[0]),
      startProductService(ports[1]),
      startBasket(),
    ])
    const pen = { name: 'Pen', price: 0.1, stock: 999 }
    const { body: product } = await request('POST', `${first.url}/products`, pen)
    await untilHealthy(basket)
    const assertCalled = async ({ output }: RunningService) => assert.match(output(), /BatchGetProducts/)

    await using shoppers = startShoppers(8, shopAt(basket.url, product.id))
    for (const productService of [first, second])
      await eventually(timeoutMs, () => assertCalled(productService))
    for (const [productService, port, signal] of [
      [first, ports[0], 'SIGTERM'],
      [second, ports[1], 'SIGKILL'],
    ] as const) {
      assert.equal(await productService.stop(signal), signal === 'SIGTERM' ? 0 : null)
      await waitForRounds(shoppers, 20)
      const restarted = await startProductService(port)
      await eventually(timeoutMs, () => assertCalled(restarted))
    }
    await waitForRounds(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
  })
})
