import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startBalancer } from '../support/balancer.ts'
import { eventually } from '../support/eventually.ts'
import { request } from '../support/http.ts'
import type { Connection } from '../support/kept-connection.ts'
import { ownSchema, withoutPostgres } from '../support/postgres.ts'
import { freePort, type RunningService, startService } from '../support/services.ts'
import { startShoppers } from '../support/shoppers.ts'

const patience = 30_000

type Shoppers = ReturnType<typeof startShoppers>

/** Waits until the customers have shopped so many rounds more. */
const more = async (shoppers: Shoppers, rounds: number) => {
  const enough = shoppers.rounds() + rounds
  await eventually(patience, async () => assert.ok(shoppers.rounds() >= enough))
}

/** Ready is not enough to begin: a basket service is ready before it has found the product service. */
const untilHealthy = ({ url }: RunningService) =>
  eventually(patience, async () =>
    assert.equal((await request('GET', `${url}/health`)).body.status, 'healthy'),
  )

const ownFolder = () => mkdtempDisposable(join(tmpdir(), 'restart-'))

/** One customer's round at the basket service: adds, changes, looks and leaves, with pauses in which the connection is kept. */
const shopAt =
  (url: string, productId: number) =>
  async ({ send }: Connection, shopper: number, round: number): Promise<void> => {
    const basket = `${url}/baskets/shopper-${shopper}-${round}`
    const expectAnswer = async (status: number, method: string, path: string, body?: unknown) => {
      const answer = await send(method, `${basket}${path}`, body)
      assert.equal(answer.status, status, `${method} ${JSON.stringify(answer.body)}`)
      return answer.body
    }
    await expectAnswer(200, 'POST', '/items', { product_id: productId, quantity: 2 })
    await delay(20 + 10 * shopper)
    await expectAnswer(200, 'PUT', `/items/${productId}`, { quantity: 3 })
    assert.equal((await expectAnswer(200, 'GET', '')).item_count, 3)
    await delay(20 + 5 * shopper)
    await expectAnswer(204, 'DELETE', '')
  }

describe('a restart under load', () => {
  it('of the basket service, a new one beside the old one behind a balancer, fails no request', async () => {
    await using folder = await ownFolder()
    await using stack = new AsyncDisposableStack()
    const grpcPort = String(await freePort())
    const startProducts = async () =>
      stack.use(await startService('product', { DATA_DIR: folder.path, GRPC_PORT: grpcPort }))
    const startBasket = async () =>
      stack.use(
        await startService('basket', {
          DATA_DIR: folder.path,
          PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
          SHUTDOWN_DELAY_SECONDS: '2',
        }),
      )
    const [old] = await Promise.all([startBasket(), startProducts()])
    await using balancer = await startBalancer()
    const take = async (basket: RunningService) => {
      await untilHealthy(basket)
      balancer.add(basket.url)
      await eventually(patience, async () => assert.ok(balancer.isReady(basket.url)))
    }
    await take(old)

    const shoppers = startShoppers(8, shopAt(balancer.url, 1))
    await more(shoppers, 20)
    await take(await startBasket())
    await more(shoppers, 20)
    const before = shoppers.rounds()
    assert.equal(await old.stop(), 0)
    assert.ok(shoppers.rounds() > before, 'nobody shopped meanwhile')
    await more(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
  })

  it('of one product service after the other, one stopped, one killed, fails no request to a basket', {
    skip: withoutPostgres,
  }, async () => {
    await using folder = await ownFolder()
    await using schema = await ownSchema()
    await using stack = new AsyncDisposableStack()
    const startProducts = async (grpcPort: string) =>
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
      startProducts(ports[0]),
      startProducts(ports[1]),
      startBasket(),
    ])
    const pen = { name: 'Pen', price: 0.1, stock: 999 }
    const { body: product } = await request('POST', `${first.url}/products`, pen)
    await untilHealthy(basket)
    const isAsked = async ({ output }: RunningService) => assert.match(output(), /BatchGetProducts/)

    const shoppers = startShoppers(8, shopAt(basket.url, product.id))
    for (const products of [first, second]) await eventually(patience, () => isAsked(products))
    for (const [products, port, signal] of [
      [first, ports[0], 'SIGTERM'],
      [second, ports[1], 'SIGKILL'],
    ] as const) {
      assert.equal(await products.stop(signal), signal === 'SIGTERM' ? 0 : null)
      await more(shoppers, 20)
      const fresh = await startProducts(port)
      await eventually(patience, () => isAsked(fresh))
    }
    await more(shoppers, 20)
    assert.deepEqual(await shoppers.stop(), [])
  })
})
