import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { describe, it } from 'node:test'
import { onServer, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { sendRaw } from './support/doors.ts'
import { openShop } from './support/shop.ts'

const parallel = 16

/** Calls `work` for each number below `count`, some at a time. */
const times = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
  let next = 0
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (next < count) await work(next++)
    }),
  )
}

describe('ids of guests', { skip: withoutPostgres || withoutOwnRedis }, () => {
  it('cannot be guessed or chosen: 10,000 attempts find and make nothing, with and without credentials', async () => {
    await using shop = await openShop({ basket: { NEW_BASKETS_PER_HOUR: '0' } })
    const { issuer, baskets, redisPort, office } = shop
    const agent = new Agent({ keepAlive: true, maxSockets: parallel })
    const ids = new Set<string>()
    await times(2_000, async () => {
      const { status, body } = await sendRaw(baskets.url, {
        method: 'POST',
        path: '/baskets',
        body: { guest: true },
        agent,
      })
      assert.equal(status, 201)
      ids.add(JSON.parse(body).user_id)
    })
    assert.equal(ids.size, 2_000)
    // 2,000 of 2^36 beginnings: two are the same once in 34,000 runs.
    assert.equal(new Set([...ids].map((id) => id.slice(6, 12))).size, 2_000)
    const keysBefore = await onServer(redisPort, (client) => client.dbSize())
    const callers = [undefined, `Bearer ${await issuer.sign()}`, office.authorization]
    const item = { product_id: 1, quantity: 1 }
    const known = [...ids][0] ?? ''
    const guesses = (): readonly string[] => [
      `guest:${randomBytes(16).toString('base64url')}`,
      `${known.slice(0, -1)}${known.endsWith('A') ? 'B' : 'A'}`,
      `${known}A`,
      known.slice(0, -1),
      'guest:',
      'guest:user123',
    ]
    await times(10_000, async (index) => {
      const all = guesses()
      const id = all[index % 50 < all.length ? index % 50 : 0] ?? ''
      const authorization = callers[index % callers.length]
      const [method, path, body] = (
        [
          ['GET', '', undefined],
          ['POST', '/items', item],
          ['PUT', '/items/1', { quantity: 1 }],
          ['DELETE', '', undefined],
          ['DELETE', '/items', undefined],
          ['POST', undefined, { user_id: id }],
        ] as const
      )[index % 6] ?? ['GET', '', undefined]
      const target = path === undefined ? '/baskets' : `/baskets/${id}${path}`
      const { status, body: text } = await sendRaw(baskets.url, {
        method,
        path: target,
        body,
        agent,
        ...(authorization && { headers: { authorization } }),
      })
      assert.equal(status, 404, `${method} ${target} ${text}`)
    })
    assert.equal(await onServer(redisPort, (client) => client.dbSize()), keysBefore)
    agent.destroy()
  })

  it('are refused by a service without guests, those of before too', async () => {
    await using shop = await openShop({ basket: { GUESTS: 'off' } })
    const { baskets, issuer } = shop
    for (const headers of [{}, { authorization: `Bearer ${await issuer.sign()}` }])
      for (const sent of [
        { method: 'POST', path: '/baskets', body: { guest: true } },
        { path: '/baskets/guest:AAAAAAAAAAAAAAAAAAAAAA' },
      ])
        assert.equal((await sendRaw(baskets.url, { ...sent, headers })).status, 403)
  })
})
