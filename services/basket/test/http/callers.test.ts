import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { aBasket } from '../support/baskets.ts'
import { type HeldApp, openHeldApp, requestText } from '../support/callers.ts'

const readIt = requestText('GET', '/baskets/user123')
const addToIt = requestText('POST', '/baskets/user123/items', { product_id: 7, quantity: 2 })

/** The status and the body of an answer, after which the connection was closed. */
const parsed = (answer: string) => {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return { status: head.split(' ')[1], basket: JSON.parse(body) }
}

describe('a client that has said all and ends its side of the connection', () => {
  for (const [what, request] of Object.entries({ 'a basket': readIt, 'an added item': addToIt }))
    test(`is answered with ${what}, also when that takes longer`, async () => {
      await using app = await openHeldApp()
      const stored = await app.baskets.update('user123', () => aBasket())
      const { client, server } = await app.connect()
      client.end(request)
      await app.asked
      await eventually(20_000, async () => assert.ok(server.readableEnded))
      app.release()
      const { status, basket } = parsed(await text(client))
      assert.equal(status, '200')
      assert.equal(basket.id, stored.id)
      assert.deepEqual(
        app.lines.filter(({ msg }) => msg === 'request').map((line) => line['status']),
        [200],
      )
    })
})

describe('an item that is being added', () => {
  const ways: Readonly<Record<string, (ends: Awaited<ReturnType<HeldApp['connect']>>) => unknown>> = {
    closed: ({ client }) => client.destroy(),
    reset: ({ client }) => client.resetAndDestroy(),
  }
  for (const [way, leave] of Object.entries(ways))
    test(`is added also when its connection has been ${way} meanwhile`, async () => {
      await using app = await openHeldApp()
      const ends = await app.connect()
      ends.client.write(addToIt)
      await app.asked
      leave(ends)
      await eventually(20_000, async () => {
        assert.ok(ends.server.readableEnded || ends.server.destroyed)
        assert.equal(ends.server.destroyed, way === 'reset')
      })
      assert.equal(await app.baskets.find('user123'), undefined)
      app.release()
      const added = await eventually(20_000, async () => {
        const basket = await app.baskets.find('user123')
        assert.ok(basket)
        return basket.lines.map(({ productId, quantity }) => [productId, quantity])
      })
      assert.deepEqual(added, [[7, 2]])
      assert.deepEqual(
        app.lines.filter(({ level }) => level === 50),
        [],
      )
    })
})
