import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { exposeBusinessMetrics } from '../../src/metrics/business-metrics.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

type Shop = Readonly<{ open: number; rooms: Readonly<Record<string, number>> }>

/** A registry with statistics, each read of which takes `read`; time passes by `pass` alone. */
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
    pass: (ms: number) => {
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
  it('are read when scraped, every 15 seconds at most', async (context) => {
    const { scrape, reads, pass } = startShop(context, async () => shop)
    assert.equal(reads(), 0)
    assert.deepEqual(await scrape(), exposed)
    pass(14_999)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 1)
    pass(1)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 2)
  })

  it('are read in a twentieth of the time at most, when a read takes long', async (context) => {
    const { scrape, reads, pass } = startShop(context, async () => {
      pass(10_000)
      return shop
    })
    await scrape()
    pass(189_999)
    await scrape()
    assert.equal(reads(), 1)
    pass(1)
    await scrape()
    assert.equal(reads(), 2)
  })

  it('are missing while they cannot be read, which the log tells once, and the scrape goes on', async (context) => {
    let broken = true
    const { scrape, pass, warnings } = startShop(context, async () => {
      if (broken) throw new Error('no store')
      return shop
    })
    for (let time = 1; time <= 3; time++) {
      assert.deepEqual(await scrape(), ['shop_statistics_up{statistics="shop",service="test"} 0'])
      pass(15_000)
    }
    assert.equal(warnings(), 1)
    broken = false
    assert.deepEqual(await scrape(), exposed)
    broken = true
    pass(15_000)
    assert.deepEqual(
      await scrape(),
      ['shop_statistics_up{statistics="shop",service="test"} 0'],
      'not the old ones',
    )
    assert.equal(warnings(), 2)
  })

  it('are missing without a word in the log when their reading was called off, but not when it took too long', async (context) => {
    const late = AbortSignal.timeout(0)
    await once(late, 'abort')
    const told: number[] = []
    for (const { reason } of [AbortSignal.abort(), late]) {
      const { scrape, warnings } = startShop(context, () => Promise.reject(reason))
      assert.deepEqual(await scrape(), ['shop_statistics_up{statistics="shop",service="test"} 0'])
      told.push(warnings())
    }
    assert.deepEqual(told, [0, 1])
  })

  it('that take long do not hold up the scrape for more than a second, and come with a later one', async (context) => {
    const held = Promise.withResolvers<Shop>()
    const { scrape, reads } = startShop(context, () => held.promise)
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const scraped = scrape()
    await new Promise(setImmediate)
    context.mock.timers.tick(1_000)
    assert.deepEqual(await scraped, ['shop_statistics_up{statistics="shop",service="test"} 0'])
    held.resolve(shop)
    assert.deepEqual(await scrape(), exposed)
    assert.equal(reads(), 1)
  })
})
