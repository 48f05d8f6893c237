import assert from 'node:assert/strict'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { startRedis } from '@shop/testing/stores/own-redis.ts'
import { ownSchema, query } from '@shop/testing/stores/postgres.ts'
import { sized } from './form.ts'

/** The category of the ordinary products is the example of the API's documentation. */
export const counts = { ordinary: 2_000, long: sized(300, 1_000) } as const

/** `Long` contains the longest products there may be: 5,000 characters of four bytes each. */
const addProducts = async (url: string): Promise<void> => {
  const add = (name: string, description: string, category: string, count: number) =>
    query(
      `insert into products (name, description, price, stock, category)
       select '${name} ' || n, ${description}, 1, case when n <= 100 then 100000 else n % 7 end, '${category}' from generate_series(1, ${count}) n`,
      url,
    )
  await add('Novel', `'A novel by Jane Austen'`, 'Books', counts.ordinary)
  await add('Long', `repeat('😀', 5000)`, 'Long', counts.long)
}

export type Shop = AsyncDisposable &
  Readonly<{
    product: RunningService
    basket: RunningService
    grpcPort: number
    redisPort: number
    /** The credentials of the innocent client, if the services ask for them. */
    authorization?: string
  }>

/** The share of one address. */
export const newBasketsPerHour = 100

/**
 * As in production: no peer is a proxy, and the heap has the size that Node.js chooses in a container with 384 MiB, which
 * the limits are for. On a larger machine V8 would use more before it collects garbage. The long form also sheds load.
 */
const settings = {
  TRUST_PROXY: 'off',
  NODE_OPTIONS: '--max-old-space-size=256 --max-semi-space-size=4',
  MAX_EVENT_LOOP_DELAY_MS: sized('0', '1000'),
  LOG_LEVEL: 'warn',
}

type Settings = Readonly<Record<string, string>>

/** Starts both services as processes, on a schema and a Redis of their own. `headers` are those of the innocent client. */
export const startShopWith = async (own: Settings, headers: Settings = {}): Promise<Shop> => {
  await using stack = new AsyncDisposableStack()
  const schema = stack.use(await ownSchema())
  const redisPort = await freePort()
  const redis = startRedis(redisPort)
  stack.defer(() => redis.kill())
  const grpcPort = await freePort()
  const [product, basket] = await Promise.all([
    startService('product', { ...settings, ...own, DATABASE_URL: schema.url, GRPC_PORT: String(grpcPort) }),
    startService('basket', {
      ...settings,
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redisPort),
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      NEW_BASKETS_PER_HOUR: String(newBasketsPerHour),
      ...own,
    }),
  ])
  stack.use(product)
  stack.use(basket)
  await addProducts(schema.url)
  // The example of the API's documentation, and the basket of the innocent client.
  // Redis may still be starting.
  for (const user of ['user123', 'innocent'])
    await eventually(20_000, async () => {
      const { status } = await request('POST', `${basket.url}/baskets`, { user_id: user }, headers)
      assert.equal(status, 201)
    })
  const started = stack.move()
  return { product, basket, grpcPort, redisPort, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

export const startShop = (): Promise<Shop> => startShopWith({})

export const portOf = ({ url }: Pick<RunningService, 'url'>): number => Number(new URL(url).port)
