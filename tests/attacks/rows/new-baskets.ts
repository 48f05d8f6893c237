import assert from 'node:assert/strict'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { onServer } from '@shop/testing/stores/own-redis.ts'
import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { newBasketsPerHour, type Shop } from '../support/shop.ts'
import { sendAtOnce, statusesOf } from '../support/sockets.ts'

const count = sized(400, 20_000)

export const newBaskets: Row = {
  name: '6 · new baskets',
  refuses: ['new_baskets'],
  attacks: [
    {
      name: `6 · ${count} new baskets of one address`,
      run: async ({ basket, redisPort }, from) => {
        const requests = Array.from({ length: count }, (_, index) => ({
          method: 'POST',
          url: `${basket.url}/baskets`,
          from: from(),
          body: { user_id: `attacker-${index}` },
        }))
        const statuses = statusesOf(await sendAtOnce(32, requests))
        const { 201: created = 0, 429: refused = 0 } = statuses
        const text = JSON.stringify(statuses)
        assert.ok(created <= newBasketsPerHour, text)
        assert.equal(created + refused, count, text)
        const shared = await onServer(redisPort, (client) => client.keys('rate:new_baskets:*'))
        assert.deepEqual(shared.includes(`rate:new_baskets:address:${from()}`), true, String(shared))
        return text
      },
    },
  ],
}

/** Redis refuses every write that needs memory while `work` runs. */
const whileFull = async ({ redisPort }: Shop, work: () => Promise<void>) => {
  await onServer(redisPort, (client) => client.configSet('maxmemory', '1'))
  try {
    await work()
  } finally {
    await onServer(redisPort, (client) => client.configSet('maxmemory', '0'))
  }
}

const useFullRedis = async (shop: Shop): Promise<string> => {
  const { url } = shop.basket
  const send = (method: string, path: string, body?: unknown) =>
    request(method, `${url}/baskets${path}`, body)
  const statusOf = async (...args: Parameters<typeof send>) => (await send(...args)).status
  for (const user of ['cleared', 'removed'])
    for (const product of [1, 2])
      assert.equal(await statusOf('POST', `/${user}/items`, { product_id: product, quantity: 1 }), 200)
  await whileFull(shop, async () => {
    assert.equal(await statusOf('POST', '/cleared/items', { product_id: 3, quantity: 1 }), 503)
    assert.equal(await statusOf('GET', '/cleared'), 200)
    assert.equal(await statusOf('DELETE', '/removed/items/1'), 200, 'an item is removed')
    assert.equal(await statusOf('DELETE', '/cleared/items'), 200, 'a basket is cleared')
    assert.equal((await send('GET', '/cleared')).body.items.length, 0)
    assert.equal((await send('GET', '/removed')).body.items.length, 1)
    assert.equal(await statusOf('DELETE', '/cleared'), 204, 'a basket is removed')
    await eventually(5_000, async () => {
      const { status, body } = await request('GET', `${url}/health`)
      assert.deepEqual([status, body.status], [200, 'degraded'])
    })
  })
  await eventually(5_000, async () =>
    assert.equal(await statusOf('POST', '/removed/items', { product_id: 3, quantity: 1 }), 200),
  )
  return ''
}

export const fullRedis: Row = {
  name: '6 · a full Redis',
  harmful: true,
  attacks: [
    { name: '6 · a full Redis: clearing and removing work, and health says degraded', run: useFullRedis },
  ],
}
