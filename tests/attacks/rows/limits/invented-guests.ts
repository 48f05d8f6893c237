import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { sized } from '../../support/form.ts'
import type { GuardedShop } from '../../support/guarded-shop.ts'
import type { Row } from '../../support/row.ts'
import { sendAtOnce, statusesOf } from '../../support/sockets.ts'

const count = sized(2_000, 10_000)

export const inventedGuests: Row<GuardedShop> = {
  name: '13 · invented guests',
  refuses: ['rate_reads', 'rate_writes'],
  attacks: [
    {
      name: `13 · ${count} invented ids of guests`,
      run: async ({ basket }, from) => {
        const requests = Array.from({ length: count }, (_, index) => {
          const url = `${basket.url}/baskets/guest:${randomBytes(16).toString('base64url')}`
          return index % 2 === 0
            ? { method: 'GET', url, from: from() }
            : { method: 'POST', url: `${url}/items`, from: from(), body: { product_id: 1, quantity: 1 } }
        })
        const statuses = statusesOf(await sendAtOnce(32, requests))
        const { 404: unknown = 0, 429: refused = 0 } = statuses
        assert.equal(unknown + refused, count, JSON.stringify(statuses))
        assert.ok(refused > 0, JSON.stringify(statuses))
        return JSON.stringify(statuses)
      },
    },
  ],
}
