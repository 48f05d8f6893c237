import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { isLong, sized } from '../support/form.ts'
import { connectionsOf } from '../support/observed.ts'
import type { Attack, Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'
import { doNotRead, readSlowly, type Sockets, type Target } from '../support/sockets.ts'

const clients = 50
const cutMs = 60_000
/** A page fits into the buffers of the system; several do not. */
const pages = sized(5, 20)

/** Different pages, so that the clients do not share their bytes. */
const textOf = (client: number): string =>
  Array.from(
    { length: pages },
    (_, page) =>
      `GET /products/category/Long?limit=${1_000 - ((client * pages + page) % 900)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ).join('')

const attackOf = (name: string, open: (target: () => Target) => Promise<Sockets>): Attack => ({
  name: `3 · ${clients} clients that ${name}`,
  run: async (shop, from) => {
    const port = portOf(shop.product)
    const started = performance.now()
    using _ = await open(() => ({ port, from: from() }))
    await delay(sized(1_000, 5_000))
    if (!isLong) return ''
    await eventually(cutMs, async () => {
      const connected = connectionsOf(from(), port)
      assert.equal(connected, 0, `${connected} of ${clients} are connected after ${cutMs / 1_000} s`)
    })
    return `all cut after ${Math.round((performance.now() - started) / 1_000)} s`
  },
})

export const unreadResponses: Row = {
  name: '3 · clients that do not read',
  attacks: [
    attackOf('do not read', (target) => doNotRead(clients, target, textOf)),
    attackOf('read 1 byte a second', (target) => readSlowly(clients, target, textOf, 1)),
    attackOf('read 16 KiB a second', (target) => readSlowly(clients, target, textOf, 16_384)),
  ],
}
