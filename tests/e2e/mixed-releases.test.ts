import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { request } from '@shop/testing/services/http.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'
import { lastRelease } from '../compose/project.ts'

/** Gives a checkout its own packages, and the dependencies of this one. */
const linkPackages = async (checkout: string): Promise<void> => {
  const modules = join(checkout, 'node_modules')
  await mkdir(join(modules, '@shop'), { recursive: true })
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== '@shop' && !name.startsWith('.'))
      await symlink(join(root, 'node_modules', name), join(modules, name))
  for (const name of await readdir(join(checkout, 'packages')))
    await symlink(join(checkout, 'packages', name), join(modules, '@shop', name))
}

type Basket = Readonly<{ lines: readonly Readonly<{ productId: number; quantity: number }>[] }>

/** What 0.1.0 calls its commands and queries with. */
type OldUseCases = Readonly<
  Record<
    'addItem' | 'setQuantity' | 'getBasket',
    (
      input: Readonly<{
        userId: string
        productId?: number
        quantity?: number
        precondition?: (stored: unknown) => void
      }>,
    ) => Promise<Basket>
  >
>

/**
 * The use cases and the store of baskets as the last release has them, in this process: the rest of it needs packages that are not
 * installed any more.
 */
const openLastRelease = async (stack: AsyncDisposableStack): Promise<OldUseCases> => {
  const { path: checkout } = stack.use(await mkdtempDisposable(join(tmpdir(), 'last-release-')))
  await lastRelease(checkout)
  await linkPackages(checkout)
  const load = (path: string) => import(join(checkout, 'services/basket/src', path))
  const { readConfig } = await load('config.ts')
  const { openRedis } = await load('infrastructure/redis.ts')
  const { redisBasketRepository } = await load('infrastructure/redis-basket-repository.ts')
  const { useCases } = await load('application/use-cases.ts')
  const config = readConfig({ REDIS_URL: redisUrl })
  const redis = stack.use(openRedis(config, silentLogger))
  await eventually(20_000, redis.ping)
  const catalog = { find: async (id: number) => ({ ...orwell, id, price: 1_499n }) }
  return useCases({ baskets: redisBasketRepository(redis, config.BASKET_TTL_SECONDS), catalog })
}

describe('during a rolling update from the last release', { skip: withoutRedis }, () => {
  const stack = new AsyncDisposableStack()
  const prefix = ownPrefix()
  let old: OldUseCases
  let current: RunningService
  before(async () => {
    old = await openLastRelease(stack)
    const products = stack.use(
      await startProductStub(({ request: { ids } }, callback) =>
        callback(null, { products: ids.map((id) => ({ ...orwell, id })) }),
      ),
    )
    const variables = { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: `127.0.0.1:${products.port}` }
    current = stack.use(await startService('basket', variables))
  })
  after(async () => {
    await stack.disposeAsync()
    await removeKeys(`basket:${prefix}`)
  })

  const pairs = ({ lines }: Basket) => lines.map(({ productId, quantity }) => [productId, quantity])
  const addToOld = async (user: string, productId: number) =>
    pairs(await old.addItem({ userId: `${prefix}${user}`, productId, quantity: 2, precondition: () => {} }))
  const add = (user: string, productId: number, key?: string) =>
    request(
      'POST',
      `${current.url}/baskets/${prefix}${user}/items`,
      { product_id: productId, quantity: 2 },
      key === undefined ? {} : { 'idempotency-key': key },
    )

  type Response = Awaited<ReturnType<typeof add>>
  const linesOf = ({ status, body }: Response) => {
    assert.equal(status, 200, JSON.stringify(body))
    return body.items.map(({ product_id, quantity }: Record<string, number>) => [product_id, quantity])
  }
  const isReplayed = ({ headers }: Response) => headers.get('idempotent-replayed') === 'true'

  test('the last release reads and writes a basket with idempotency keys, and keeps them', async () => {
    const keys = ['one', 'two', 'three']
    for (const key of keys) await add('keys', 1, key)
    const userId = `${prefix}keys`
    assert.deepEqual(pairs(await old.getBasket({ userId })), [[1, 6]])
    await addToOld('keys', 2)
    await old.setQuantity({ userId, productId: 1, quantity: 5, precondition: () => {} })
    for (const key of keys) {
      const replay = await add('keys', 1, key)
      assert.ok(isReplayed(replay))
      assert.deepEqual(linesOf(replay), [
        [1, 5],
        [2, 2],
      ])
    }
    assert.equal((await add('keys', 2, 'one')).status, 422)
  })

  test('a basket of the last release gets keys', async () => {
    await addToOld('older', 1)
    assert.deepEqual(linesOf(await add('older', 1, 'one')), [[1, 4]])
    assert.ok(isReplayed(await add('older', 1, 'one')))
    assert.deepEqual(await addToOld('older', 1), [[1, 6]])
  })

  test('both write the same basket at the same time, and each keyed write takes effect once', async () => {
    const writes = Array.from({ length: 60 }, async (_, index) => {
      if (index % 2) return void (await addToOld('both', 2))
      // Each key is sent three times, and there are no more keys than a basket remembers.
      const response = await add('both', 1, `key-${(index / 2) % 10}`)
      linesOf(response)
      return isReplayed(response)
    })
    const replays = await Promise.all(writes)
    assert.equal(replays.filter(Boolean).length, 20)
    const basket = await old.getBasket({ userId: `${prefix}both` })
    assert.deepEqual(
      pairs(basket).toSorted(([one = 0], [other = 0]) => one - other),
      [
        [1, 20],
        [2, 60],
      ],
    )
  })
})
