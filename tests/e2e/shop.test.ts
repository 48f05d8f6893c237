import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { ownPrefix, redisUrl, removeKeys, withoutRedis } from '@shop/testing/stores/redis.ts'

type Environment = Readonly<Record<string, string>>
type Shop = Readonly<{ product: RunningService; basket: RunningService; user: string }>

const startShop = async (environment: Environment) => {
  const grpcPort = String(await freePort())
  await using stack = new AsyncDisposableStack()
  const product = stack.use(await startService('product', { ...environment, GRPC_PORT: grpcPort }))
  const basket = stack.use(
    await startService('basket', { ...environment, PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }),
  )
  const owned = stack.move()
  return { product, basket, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Exercises the whole API: creates a product, puts it into a basket, changes both and deletes both. */
const exerciseApi = async ({ product, basket, user }: Shop): Promise<void> => {
  const novel = { name: 'Emma', description: 'A novel', price: 14.99, stock: 5, category: 'Books' }
  const created = await request('POST', `${product.url}/products`, novel)
  assert.equal(created.status, 201)
  const { id } = created.body
  assert.equal(created.headers.get('location'), `/products/${id}`)
  const read = await request('GET', `${product.url}/products/${id}`)
  assert.deepEqual(read.body, {
    id,
    ...novel,
    group_id: null,
    currency: 'EUR',
    version: 1,
    created_at: read.body.created_at,
    updated_at: read.body.updated_at,
  })

  const basketUrl = `${basket.url}/baskets/${user}`
  assert.equal((await request('GET', basketUrl)).status, 404)
  const added = await request('POST', `${basketUrl}/items`, { product_id: id, quantity: 2 })
  assert.equal(added.status, 200)
  assert.deepEqual(added.body.items, [
    { product_id: id, name: 'Emma', price: 14.99, quantity: 2, subtotal: 29.98, category: 'Books' },
  ])
  assert.equal(added.body.total, 29.98)

  const tooMany = await request('POST', `${basketUrl}/items`, { product_id: id, quantity: 4 })
  assert.deepEqual(
    [tooMany.status, tooMany.body.code, tooMany.body.available, tooMany.body.requested],
    [409, 'insufficient_stock', 5, 6],
  )

  // Changing a line also updates its price to the current price in the catalog.
  assert.equal(
    (await request('PUT', `${product.url}/products/${id}`, { ...novel, price: 10.01 })).status,
    200,
  )
  const changed = await request('PUT', `${basketUrl}/items/${id}`, { quantity: 3 })
  assert.deepEqual([changed.status, changed.body.total, changed.body.item_count], [200, 30.03, 3])

  const items = [
    { product_id: id, quantity: 2 },
    { product_id: 2_147_483_647, quantity: 1 },
  ]
  const refused = await request('POST', `${basketUrl}/items`, { items })
  assert.deepEqual(
    [refused.status, refused.body.code, refused.body.errors.map(({ path }: { path: string }) => path)],
    [404, 'product_not_found', ['/items/1']],
  )
  const several = await request('POST', `${basketUrl}/items`, { items: items.slice(0, 1) })
  assert.deepEqual([several.status, several.body.item_count], [200, 5])
  const set = await request('PATCH', `${basketUrl}/items`, {
    items: [
      { ...items[1], quantity: 0 },
      { product_id: id, quantity: 1 },
    ],
  })
  assert.deepEqual([set.status, set.body.version, set.body.total], [200, several.body.version + 1, 10.01])

  assert.deepEqual((await request('DELETE', `${basketUrl}/items/${id}`)).body.items, [])
  assert.equal((await request('POST', `${basketUrl}/items`, { product_id: id, quantity: 1 })).status, 200)
  const cleared = await request('DELETE', `${basketUrl}/items`)
  assert.deepEqual([cleared.status, cleared.body.items, cleared.body.total], [200, [], 0])
  assert.equal((await request('DELETE', basketUrl)).status, 204)
  assert.equal((await request('GET', basketUrl)).status, 404)

  assert.equal((await request('DELETE', `${product.url}/products/${id}`)).status, 204)
  const missing = await request('POST', `${basketUrl}/items`, { product_id: id, quantity: 1 })
  assert.deepEqual([missing.status, missing.body.code], [404, 'product_not_found'])
}

/** Asserts that a request id is returned in the response and logged by both services. */
const assertRequestIdInLogs = async ({ product, basket, user }: Shop): Promise<void> => {
  const requestId = `e2e-${crypto.randomUUID()}`
  const body = { product_id: 2_147_483_647, quantity: 1 }
  const response = await request('POST', `${basket.url}/baskets/${user}/items`, body, {
    'x-request-id': requestId,
  })
  assert.equal(response.headers.get('x-request-id'), requestId)
  assert.equal(response.body.request_id, requestId)
  const line = new RegExp(`"request_id":"${requestId}"`)
  for (const service of [product, basket]) {
    // A request is logged after its response has been sent.
    await eventually(20_000, async () => assert.match(service.output(), line))
  }
}

/** Stops both services. Asserts that both exit with 0 and that their logs do not contain the user id. */
const stopShop = async ({ product, basket, user }: Shop): Promise<void> => {
  assert.deepEqual([await basket.stop(), await product.stop()], [0, 0])
  assert.doesNotMatch(product.output() + basket.output(), new RegExp(user))
}

describe('the whole shop', () => {
  it('works with PostgreSQL and Redis', { skip: withoutPostgres || withoutRedis }, async () => {
    const user = `${ownPrefix()}ann`
    await using schema = await ownSchema()
    try {
      await using shop = await startShop({ DATABASE_URL: schema.url, REDIS_URL: redisUrl })
      assert.deepEqual(
        (await request('GET', `${shop.product.url}/products`)).body.products,
        [],
        'no samples are added to a PostgreSQL database',
      )
      await exerciseApi({ ...shop, user })
      await assertRequestIdInLogs({ ...shop, user })
      await stopShop({ ...shop, user })
    } finally {
      await removeKeys(`basket:${user}`)
    }
  })

  it('works with the embedded databases, and keeps its data across a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shop-'))
    const environment = { DATA_DIR: folder }
    const user = 'ann'
    try {
      {
        await using shop = await startShop(environment)
        assert.equal((await request('GET', `${shop.product.url}/products`)).body.count, 10)
        await exerciseApi({ ...shop, user })
        await assertRequestIdInLogs({ ...shop, user })
        await request('POST', `${shop.basket.url}/baskets/${user}/items`, { product_id: 1, quantity: 2 })
        await stopShop({ ...shop, user })
      }
      await using shop = await startShop(environment)
      assert.equal((await request('GET', `${shop.product.url}/products`)).body.count, 10)
      assert.equal((await request('GET', `${shop.basket.url}/baskets/${user}`)).body.item_count, 2)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('stores all of 200 concurrent adds through two basket services', {
    skip: withoutPostgres || withoutRedis,
  }, async () => {
    const user = `${ownPrefix()}bob`
    await using schema = await ownSchema()
    try {
      await using shop = await startShop({ DATABASE_URL: schema.url, REDIS_URL: redisUrl })
      const grpcPort = /"grpc_port":(\d+)/.exec(shop.product.output())?.[1]
      await using second = await startService('basket', {
        REDIS_URL: redisUrl,
        PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      })
      const created = await request('POST', `${shop.product.url}/products`, {
        name: 'Pen',
        price: 0.1,
        stock: 999,
      })
      const body = { product_id: created.body.id, quantity: 1 }
      const adds = Array.from({ length: 200 }, (_, index) =>
        request('POST', `${(index % 2 === 0 ? shop.basket : second).url}/baskets/${user}/items`, body),
      )
      const problems = (await Promise.all(adds))
        .filter(({ status }) => status !== 200)
        .map(({ body: problem }) => problem)
      assert.deepEqual(problems, [])
      const { body: basket } = await request('GET', `${second.url}/baskets/${user}`)
      assert.deepEqual([basket.item_count, basket.total, basket.version], [200, 20, 200])
    } finally {
      await removeKeys(`basket:${user}`)
    }
  })
})
