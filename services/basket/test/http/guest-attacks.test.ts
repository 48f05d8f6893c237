import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct, longTtl, rowsIn } from '../support/baskets.ts'
import { assertNoBasket, createGuest, requestsTo, unknownGuest } from '../support/guests.ts'
import { basketIn, basketOf, linesIn, send } from '../support/http.ts'
import { openPorts } from '../support/ports.ts'

/** The whole service, with a clock that the test sets and a catalog that counts its look-ups. */
const openShop = async () => {
  const stack = new AsyncDisposableStack()
  const state = { now: new Date('2026-11-22T09:58:00.123Z'), isCatalogDown: false, lookUps: 0 }
  const find = async (id: number) => {
    state.lookUps += 1
    if (state.isCatalogDown) throw new AppError('unavailable', 'the product service is unavailable')
    return aProduct({ id })
  }
  const { ports, sqlite } = stack.use(await openPorts(find, () => state.now))
  const { http } = stack.use(await createApp({ ports, dependencies: [] }, silentLogger))
  return { http, ports, sqlite, state, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

let shop: Awaited<ReturnType<typeof openShop>>
before(async () => {
  shop = await openShop()
})
after(() => shop[Symbol.asyncDispose]())

describe('an id of a guest that nobody was given', () => {
  test('is a 404 in 800 attempts, which create nothing and ask for no product', async () => {
    const guest = await createGuest(shop.http)
    const [rows, lookUps] = [rowsIn(shop.sqlite), shop.state.lookUps]
    const names = Object.keys(requestsTo(shop.http, '')) as (keyof ReturnType<typeof requestsTo>)[]
    const statuses = new Map<number, number>()
    for (let attempt = 0; attempt < 800; attempt++) {
      const request = requestsTo(shop.http, unknownGuest())[names[attempt % names.length] ?? 'get']
      const { statusCode } = await request()
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
    }
    assert.deepEqual([...statuses], [[404, 800]])
    assert.deepEqual([rowsIn(shop.sqlite), shop.state.lookUps], [rows, lookUps])
    assert.equal(basketIn(await send(shop.http, 'GET', `/baskets/${guest}`)).user_id, guest)
  })

  test('cannot be chosen by a client, in whatever form', async () => {
    for (const guest of [unknownGuest(), 'guest:', 'guest:me', `guest:${'x'.repeat(122)}`, 'guest:a|b'])
      for (const [name, request] of Object.entries(requestsTo(shop.http, guest, encodeURIComponent(guest)))) {
        assertNoBasket(await request())
        assert.equal(await shop.ports.baskets.find(guest), undefined, name)
      }
  })

  test('is the same 404 for every product, precondition and state of the catalog', async () => {
    const guest = unknownGuest()
    const { add, set } = requestsTo(shop.http, guest)
    shop.state.isCatalogDown = true
    for (const productId of [1, 2_147_483_647]) {
      assertNoBasket(await add(productId), '/baskets/***/items')
      assertNoBasket(await set(productId), `/baskets/***/items/${productId}`)
    }
    shop.state.isCatalogDown = false
    for (const headers of [{ 'if-match': '*' }, { 'if-match': '"x"' }, { 'if-none-match': '*' }]) {
      assertNoBasket(await send(shop.http, 'POST', '/baskets', { user_id: guest }, headers), '/baskets')
      assertNoBasket(await basketOf(shop.http, guest).add(1, 1, headers))
      assertNoBasket(await basketOf(shop.http, guest).delete(headers))
    }
  })

  test('is a 404 however the path encodes it', async () => {
    const guest = unknownGuest()
    const everyCharacter = Buffer.from(guest).toString('hex').replaceAll(/../g, '%$&')
    for (const segment of [guest.replace(':', '%3A'), guest.replace('guest', '%67uest'), everyCharacter])
      for (const request of Object.values(requestsTo(shop.http, guest, segment)))
        assertNoBasket(await request())
  })
})

describe('the id of a guest', () => {
  test('is unknown again once its basket has expired or is deleted, and cannot be revived', async () => {
    const [expired, deleted] = [await createGuest(shop.http), await createGuest(shop.http)]
    await requestsTo(shop.http, expired).add()
    assert.equal((await requestsTo(shop.http, deleted).delete()).statusCode, 204)
    for (const request of Object.values(requestsTo(shop.http, deleted))) assertNoBasket(await request())
    shop.state.now = new Date(shop.state.now.getTime() + longTtl * 1_000)
    for (const request of Object.values(requestsTo(shop.http, expired))) assertNoBasket(await request())
  })

  test('begins with guest: in this case: others are ids of users', async () => {
    for (const user of ['Guest:x', 'GUEST:x', 'guest', 'guest.x', 'xguest:', 'guest|x']) {
      const basket = basketOf(shop.http, encodeURIComponent(user))
      assert.equal(basketIn(await basket.add(1, 1)).user_id, user)
    }
    const guest = await createGuest(shop.http)
    assert.equal((await send(shop.http, 'GET', `/baskets/${guest.toUpperCase()}`)).statusCode, 404)
  })

  test('is that of another guest even if it differs only in case or in one character', async () => {
    const guest = await createGuest(shop.http)
    const last = guest.endsWith('A') ? 'Q' : 'A'
    for (const other of [`guest:${guest.slice(6).toLowerCase()}0`, guest.slice(0, -1) + last, `${guest}.`])
      for (const request of Object.values(requestsTo(shop.http, other))) assertNoBasket(await request())
  })

  test('of the last release, chosen by a client, still has its basket', async () => {
    const record = JSON.stringify({
      id: '0b9f2f6e-3c3b-4d8e-9a55-7d1f6e2c1a90',
      userId: 'guest:visitor-7',
      lines: [{ productId: 1, name: '1984', price: '1499', category: 'Books', quantity: 2 }],
      version: 4,
      createdAt: shop.state.now.getTime() - 60_000,
      updatedAt: shop.state.now.getTime(),
      expiresAt: shop.state.now.getTime() + longTtl * 1_000,
    })
    shop.sqlite
      .prepare('insert into baskets (user_id, record, expires_at) values (?, ?, ?)')
      .run('guest:visitor-7', record, shop.state.now.getTime() + longTtl * 1_000)
    const basket = basketOf(shop.http, 'guest:visitor-7')
    assert.deepEqual(linesIn(await basket.get()), [[1, 2]])
    assert.equal(basketIn(await basket.create()).version, 4)
    assert.deepEqual(linesIn(await basket.add(1, 1)), [[1, 3]])
    assert.deepEqual(linesIn(await basket.clear()), [])
    assert.equal((await basket.delete()).statusCode, 204)
  })
})
