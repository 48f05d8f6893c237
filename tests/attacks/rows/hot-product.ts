import assert from 'node:assert/strict'
import { request } from '@shop/testing/services/http.ts'
import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { sendAtOnce, statusesOf } from '../support/sockets.ts'

const count = sized(400, 3_000)
const concurrency = 200

export const hotProduct: Row = {
  name: '10 · PATCHes of one product',
  attacks: [
    {
      name: `10 · ${count} PATCHes of one product, ${concurrency} at a time`,
      run: async ({ product }, from) => {
        const url = `${product.url}/products/900`
        const { version } = (await request('GET', url)).body
        const requests = Array.from({ length: count }, (_, index) => ({
          method: 'PATCH',
          url,
          // From four addresses, so that no share of one client stops it.
          from: from(index % 4),
          body: { price: 1 + (index % 1_000) },
        }))
        const statuses = statusesOf(await sendAtOnce(concurrency, requests))
        const text = JSON.stringify(statuses)
        assert.ok((statuses[200] ?? 0) > 0, text)
        const written = (await request('GET', url)).body.version - version
        assert.equal(written, statuses[200], `a PATCH that was refused is not executed: ${text}`)
        return text
      },
    },
  ],
}
