import assert from 'node:assert/strict'
import { sized } from '../../support/form.ts'
import { type GuardedShop, proxyAddress, readsPerMinute } from '../../support/guarded-shop.ts'
import { cpuMicrosecondsOf } from '../../support/observed.ts'
import type { Attack, Row } from '../../support/row.ts'
import { sendAtOnce, statusesOf } from '../../support/sockets.ts'

const lists = sized(150, 1_000)
/** Those that follow, of a client that takes no notice of the refusals. */
const more = sized(1_000, 20_000)
const concurrency = 32

/** A list of 1,000 products costs eleven points. Another minute may begin meanwhile. */
const maxLists = 2 * Math.ceil(readsPerMinute / 11) + concurrency

type Headers = Readonly<Record<string, string>>

const attack = (
  name: string,
  headersOf: (index: number) => Headers,
  proxy?: string,
): Attack<GuardedShop> => ({
  name: `14 · ${lists} lists of 1,000 products, then ${more} reads, ${name}`,
  run: async ({ product }, attacker) => {
    const from = proxy ?? attacker()
    const send = async (count: number, path: string) =>
      statusesOf(
        await sendAtOnce(
          concurrency,
          Array.from({ length: count }, (_, index) => ({
            method: 'GET',
            url: `${product.url}${path}`,
            from,
            headers: headersOf(index),
          })),
        ),
      )
    const ofLists = await send(lists, '/products?limit=1000')
    const { 200: listed = 0, 429: notListed = 0 } = ofLists
    assert.equal(listed + notListed, lists, JSON.stringify(ofLists))
    assert.ok(listed <= maxLists, JSON.stringify(ofLists))
    const before = await cpuMicrosecondsOf(product)
    const ofReads = await send(more, '/products/1')
    const cpu = Math.round(((await cpuMicrosecondsOf(product)) - before) / more)
    const { 200: read = 0, 429: refused = 0 } = ofReads
    assert.equal(read + refused, more, JSON.stringify(ofReads))
    assert.ok(read <= readsPerMinute, JSON.stringify(ofReads))
    return `${JSON.stringify(ofLists)}, then ${JSON.stringify(ofReads)}, ${cpu} µs of CPU each, with the innocent requests`
  },
})

export const expensiveReads: Row<GuardedShop> = {
  name: '14 · expensive reads',
  refuses: ['rate_reads'],
  attacks: [
    attack('of one address, which names others in X-Forwarded-For', (index) => ({
      'x-forwarded-for': `203.0.113.${index % 250}`,
    })),
    attack(
      'of the addresses of one IPv6 network behind the proxy',
      (index) => ({ 'x-forwarded-for': `2001:db8:3:4:${(index % 60_000).toString(16)}::1` }),
      proxyAddress,
    ),
  ],
}
