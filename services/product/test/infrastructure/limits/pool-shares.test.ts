import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { lowestStockFirst, type ProductReader } from '../../../src/domain/product-reader.ts'
import { batchedProductReader } from '../../../src/infrastructure/batched-product-reader.ts'
import { poolShares } from '../../../src/infrastructure/limits/pool-shares.ts'

/** A reader whose lists and batches run until `end` is called. */
const pendingReader = () => {
  const running = { small: 0, large: 0, batches: 0 }
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const run = async (kind: keyof typeof running) => {
    running[kind] += 1
    await ended
  }
  const reader: ProductReader = {
    find: () => assert.fail('single reads are batched'),
    findMany: async (ids) => {
      // The single reads of these tests have ids from 1,000.
      if (ids.every((id) => id < 1_000)) await run('batches')
      return []
    },
    findSummaries: async () => {
      await run('batches')
      return []
    },
    list: async ({ limit }) => {
      await run(limit > 100 ? 'large' : 'small')
      return { products: [] }
    },
  }
  return { reader, running, end }
}

describe('shares of the connections', () => {
  for (const [connections, small, large, batches] of [
    [1, 1, 1, 1],
    [2, 1, 1, 1],
    [3, 1, 1, 1],
    [10, 3, 2, 3],
  ] as const)
    it(`of ${connections}, lists get ${small}, large lists ${large} and batch reads ${batches}; a single read does not wait for them`, async () => {
      const { reader, running, end } = pendingReader()
      const { list, find, findMany, findSummaries } = batchedProductReader(reader, poolShares(connections))
      // As many ids as a statement may have, so that the calls do not share one.
      const ids = Array.from({ length: 1_000 }, (_, id) => id)
      const calls = Array.from({ length: 20 }, (_, n) => [
        list({ sort: lowestStockFirst, maxStock: n, limit: 20 }),
        list({ sort: lowestStockFirst, maxStock: n, limit: 1_000 }),
        n % 2 === 0 ? findMany(ids) : findSummaries(ids),
      ]).flat()
      const expected = { small, large, batches }
      await eventually(2_000, async () => assert.deepEqual(running, expected))
      assert.equal(await find(1_000), undefined)
      assert.deepEqual(running, expected)
      end()
      await Promise.all(calls)
      assert.deepEqual(running, { small: 20, large: 20, batches: 20 })
    })
})
