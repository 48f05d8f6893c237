import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { longTtl, ownFolder } from '../support/baskets.ts'
import { basketIn, basketOf, type Items } from '../support/http.ts'

/** Opens the whole service with a product service that records the ids of each call. */
const openShop = async () => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await ownFolder())
  const calls: (readonly number[])[] = []
  const products = stack.use(
    await startProductStub(({ request }, callback) => {
      calls.push(request.ids)
      callback(null, { products: request.ids.map((id) => ({ ...orwell, id })) })
    }),
  )
  const config = readConfig({
    DATA_DIR: folder.path,
    BASKET_TTL_SECONDS: String(longTtl),
    PRODUCT_SERVICE_URL: `127.0.0.1:${products.port}`,
  })
  const adapters = stack.use(await openAdapters({ config, logger: silentLogger }))
  const { http } = stack.use(await createApp(adapters, silentLogger))
  return { http, calls, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('a hundred concurrent adds to different baskets share at most five calls to the product service', async () => {
  await using shop = await openShop()
  const { http, calls } = shop
  const add = async (user: number) => {
    const productId = 1 + (user % 10)
    const basket = basketIn(await basketOf(http, `user-${user}`).add(productId, 1))
    return basket.items[0]?.product_id === productId
  }
  const added = await Promise.all(Array.from({ length: 100 }, (_, user) => add(user)))
  assert.ok(added.every(Boolean))
  assert.ok(calls.length <= 5, `${calls.length} calls`)
  for (const ids of calls)
    assert.equal(new Set(ids).size, ids.length, 'each product is requested once per call')
})

const hundredFrom = (first: number): Items =>
  Array.from({ length: 100 }, (_, index) => [first + index, 1] as const)

test('an add of a hundred products is one call to the product service, and so is a change of them', async () => {
  await using shop = await openShop()
  const basket = basketOf(shop.http, 'user')
  // Of those that follow a call that was alone, the first does not wait for others.
  for (const request of [basket.addSeveral, basket.setSeveral, basket.addSeveral]) {
    shop.calls.length = 0
    basketIn(await request(hundredFrom(1)))
    assert.deepEqual(
      shop.calls.map(({ length }) => length),
      [100],
    )
  }
})

test('an add of a hundred products is one call too while many others wait', async () => {
  await using shop = await openShop()
  const { http, calls } = shop
  await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const basket = basketOf(http, `user-${index}`)
      if (index % 10 === 5) basketIn(await basket.addSeveral(hundredFrom(1_000 * index)))
      else basketIn(await basket.add(1 + index, 1))
    }),
  )
  const large = calls.flatMap((ids) => {
    const thousands = new Set(ids.filter((id) => id >= 1_000).map((id) => Math.floor(id / 1_000)))
    return [...thousands]
  })
  assert.equal(large.length, 6, 'no call has a part of one')
  for (const ids of calls) assert.ok(ids.length <= 100)
})
