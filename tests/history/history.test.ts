import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { Counts } from './support/counts.ts'
import { runRounds } from './support/rounds.ts'
import { type Catalog, startCatalog, startShop } from './support/shop.ts'

/** A short form of `make check-history`, without the faults that take long. */
const form = {
  seed: 1,
  baskets: 3,
  clients: 8,
  requests: 20,
  pauseMs: 30,
  faultPauseMs: [50, 300],
  faultKinds: /paused|cut|lost|clock/,
} as const

const rounds = 1

describe('histories of baskets are linearizable while processes, connections and the store fail', () => {
  let catalog: Catalog
  before(async () => {
    catalog = await startCatalog()
  })
  after(() => catalog[Symbol.asyncDispose]())

  for (const { engine, skip } of [
    { engine: 'sqlite', skip: false },
    { engine: 'redis', skip: withoutOwnRedis },
  ] as const)
    it(`on ${engine}`, { skip }, async (test) => {
      const counts = new Counts()
      await using shop = await startShop({ engine, catalog })
      const isLeft = (round: number) => round < rounds
      await runRounds(shop, () => form, counts, isLeft)
      test.diagnostic(counts.line())
      assert.equal(counts.get('histories'), rounds * form.baskets)
      assert.equal(counts.get('histories that are undecided'), 0)
    })
})
