import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { longTtl, ownFolder } from '../support/baskets.ts'
import { basketIn, basketOf } from '../support/http.ts'

test('a hundred concurrent adds to different baskets share at most five calls to the product service', async () => {
  await using folder = await ownFolder()
  const calls: (readonly number[])[] = []
  using products = await startProductStub(({ request }, callback) => {
    calls.push(request.ids)
    callback(null, { products: request.ids.map((id) => ({ ...orwell, id })) })
  })
  const config = readConfig({
    DATA_DIR: folder.path,
    BASKET_TTL_SECONDS: String(longTtl),
    PRODUCT_SERVICE_URL: `127.0.0.1:${products.port}`,
  })
  await using adapters = await openAdapters({ config, logger: silentLogger })
  await using app = await createApp(adapters, silentLogger)
  const add = async (user: number) => {
    const productId = 1 + (user % 10)
    const basket = basketIn(await basketOf(app.http, `user-${user}`).add(productId, 1))
    return basket.items[0]?.product_id === productId
  }
  const added = await Promise.all(Array.from({ length: 100 }, (_, user) => add(user)))
  assert.ok(added.every(Boolean))
  assert.ok(calls.length <= 5, `${calls.length} calls`)
  for (const ids of calls)
    assert.equal(new Set(ids).size, ids.length, 'each product is requested once per call')
})
