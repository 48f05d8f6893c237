import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { exposeBusinessMetrics } from '../../src/metrics/business-metrics.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

type Shop = Readonly<{ open: number; rooms: Readonly<Record<string, number>> }>

/** Exposes statistics that `read` returns. The clock is mocked and moves only with `advance`. */
const startShop = ({ mock }: TestContext, read: () => Promise<Shop>) => {
  const { registry } = createMetrics('test', '1.0.0')
  const { logger, lines } = recordingLogger()
  let now = 1_000
  mock.method(performance, 'now', () => now)
  const reads = mock.fn(read)
  const source = {
    name: 'shop',
    read: reads,
    metrics: [
      {
        name: 'shop_open_total',
        help: 'How often',
        type: 'counter',
        labelNames: [],
        samples: ({ open }: Shop) => [[{}, open] as const],
      },
      {
        name: 'shop_rooms',
        help: 'Rooms',
        type: 'gauge',
        labelNames: ['size'],
        samples: ({ rooms }: Shop) =>
          Object.entries(rooms).map(([size, count]) => [{ size }, count] as const),
      },
    ] as const,
  }
  exposeBusinessMetrics(registry, source, logger)
  return {
    reads: () => reads.mock.callCount(),
    advance: (ms: number) => {
      now += ms
    },
    scrape: async () =>
      (await registry.metrics()).split('\n').filter((line) => /^shop_(open|rooms|statistics_up)/.test(line)),
    warnings: () => lines.filter(({ level }) => level === 40).length,
  }
}

const shop: Shop = { open: 3, rooms: { small: 1, large: 2 } }
const exposed = [
  'shop_statistics_up{statistics="shop",service="test"} 1',
  'shop_open_total{service="test"} 3',
  'shop_rooms{size="small",service="test"} 1',
  'shop_rooms{size="large",service="test"} 2',
]

describe('statistics of the shop', () => {
  it('are read when scraped, at most every 15 seconds', async (context) => {
    const { scrape, reads, advance } = startShop(context, async () => shop)
    assert.equal(reads(), 0)
    assert.deepEqual(await scrape(), exposed)
    advance(14_999)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 1)
    advance(1)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 2)
  })

  it('are read at intervals of 20 times the read duration when reads are slow', async (context) => {
    const { scrape, reads, advance } = startShop(context, async () => {
      advance(10_000)
      return shop
    })
    await scrape()
    advance(189_999)
    await scrape()
    assert.equal(reads(), 1)
    advance(1)
    await scrape()
    assert.equal(reads(), 2)
  })

  it('are missing while they cannot be read; one warning is logged, and the scrape succeeds', async (context) => {
    let broken = true
    const { scrape, advance, warnings } = startShop(context, async () => {
      if (broken) throw new Error('no store')
      return shop
    })
    for (let time = 1; time <= 3; time++) {
      assert.deepEqual(await scrape(), ['shop_statistics_up{statistics="shop",service="test"} 0'])
      advance(15_000)
    }
    assert.equal(warnings(), 1)
    broken = false
    assert.deepEqual(await scrape(), exposed)
    broken = true
    advance(15_000)
    assert.deepEqual(
      await scrape(),
      ['shop_statistics_up{statistics="shop",service="test"} 0'],
      'stale values are not exposed',
    )
    assert.equal(warnings(), 2)
  })

  it('are missing without a warning when the read was aborted, but with one when it timed out', async (context) => {
    const timeout = AbortSignal.timeout(0)
    await once(timeout, 'abort')
    const warningCounts: number[] = []
    for (const { reason } of [AbortSignal.abort(), timeout]) {
      const { scrape, warnings } = startShop(context, () => Promise.reject(reason))
      assert.deepEqual(await scrape(), ['shop_statistics_up{statistics="shop",service="test"} 0'])
      warningCounts.push(warnings())
    }
    assert.deepEqual(warningCounts, [0, 1])
  })

  it('delay a scrape by at most one second when a read is slow, and appear in a later scrape', async (context) => {
    const slowRead = Promise.withResolvers<Shop>()
    const { scrape, reads } = startShop(context, () => slowRead.promise)
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const scraped = scrape()
    await new Promise(setImmediate)
    context.mock.timers.tick(1_000)
    assert.deepEqual(await scraped, ['shop_statistics_up{statistics="shop",service="test"} 0'])
    slowRead.resolve(shop)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 1)
  })
})
