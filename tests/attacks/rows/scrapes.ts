import assert from 'node:assert/strict'
import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { type Response, sendAtOnce, statusesOf } from '../support/sockets.ts'

const concurrency = 32
const count = sized(192, 6_400)

/** Scrapes that share their work have the same values. */
const differentIn = (responses: readonly Response[]): number =>
  new Set(responses.map(({ body }) => /^process_cpu_seconds_total.*$/m.exec(body.toString())?.[0])).size

/** Of both services. */
export const scrapes: Row = {
  name: '11 · scrapes',
  attacks: (['product', 'basket'] as const).map((service) => ({
    name: `11 · ${count} scrapes of the ${service} service, ${concurrency} at a time`,
    run: async (shop, from) => {
      const url = `${shop[service].url}/metrics`
      const requests = Array.from({ length: count }, () => ({ method: 'GET', url, from: from() }))
      const responses = await sendAtOnce(concurrency, requests)
      assert.deepEqual(statusesOf(responses), { 200: count })
      const different = differentIn(responses)
      assert.ok(different <= count / 4, `${different} scrapes were made for ${count}`)
      return `${different} are made`
    },
  })),
}
