import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { aBasket } from '../support/baskets.ts'
import { type GatedApp, openGatedApp, requestText } from '../support/callers.ts'

const getRequest = requestText('GET', '/baskets/user123')
const addRequest = requestText('POST', '/baskets/user123/items', { product_id: 7, quantity: 2 })

/** Parses the only response on a connection. */
const parseResponse = (response: string) => {
  const [head = '', body = ''] = response.split('\r\n\r\n')
  return { status: head.split(' ')[1], basket: JSON.parse(body) }
}

describe('a client that ends its side of the connection after the request', () => {
  for (const [method, request] of Object.entries({ GET: getRequest, POST: addRequest }))
    test(`gets the response to ${method} even if it takes a while`, async () => {
      await using app = await openGatedApp()
      const stored = await app.baskets.update('user123', () => aBasket())
      const { client, server } = await app.connect()
      client.end(request)
      await app.gateReached
      await eventually(20_000, async () => assert.ok(server.readableEnded))
      app.openGate()
      const { status, basket } = parseResponse(await text(client))
      assert.equal(status, '200')
      assert.equal(basket.id, stored.id)
      assert.deepEqual(
        app.lines.filter(({ msg }) => msg === 'request').map((line) => line['status']),
        [200],
      )
    })
})

describe('adding an item', () => {
  const disconnects: Readonly<
    Record<string, (connection: Awaited<ReturnType<GatedApp['connect']>>) => unknown>
  > = {
    closes: ({ client }) => client.destroy(),
    resets: ({ client }) => client.resetAndDestroy(),
  }
  for (const [action, disconnect] of Object.entries(disconnects))
    test(`completes even if the client ${action} the connection before the response`, async () => {
      await using app = await openGatedApp()
      const connection = await app.connect()
      connection.client.write(addRequest)
      await app.gateReached
      disconnect(connection)
      await eventually(20_000, async () => {
        assert.ok(connection.server.readableEnded || connection.server.destroyed)
        assert.equal(connection.server.destroyed, action === 'resets')
      })
      assert.equal(await app.baskets.find('user123'), undefined)
      app.openGate()
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
