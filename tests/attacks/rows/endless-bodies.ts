import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { isLong, sized } from '../support/form.ts'
import { headOf, portFor, titleOf, withBody } from '../support/operations.ts'
import type { Row } from '../support/row.ts'
import { holdOpen } from '../support/sockets.ts'

const count = sized(150, 3_000)
const bytes = 64_000
/** So many connections of each address that no limit of connections stops them. */
const ofOneAddress = 150

const unfinished = JSON.stringify({ name: 'x'.repeat(bytes) }).slice(0, bytes - 1_000)

/** For each operation that takes a body. */
export const endlessBodies: Row = {
  name: '8 · bodies that never end',
  refuses: ['request_bytes'],
  attacks: withBody.map((operation) => ({
    name: `8 · ${count} bodies of ${titleOf(operation)}`,
    run: async (shop, from) => {
      const port = portFor(shop, operation)
      using bodies = await holdOpen(
        count,
        (index) => ({ port, from: from(Math.floor(index / ofOneAddress)) }),
        (index) => headOf(operation, 1_000 + index, bytes) + unfinished,
      )
      await delay(sized(500, 3_000))
      const held = bodies.open()
      if (isLong) await eventually(60_000, async () => assert.equal(bodies.open(), 0, 'all are cut'))
      return `${held} are held`
    },
  })),
}
