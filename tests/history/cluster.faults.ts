import assert from 'node:assert/strict'
import { it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { Counts } from './support/counts.ts'
import { runRounds } from './support/rounds.ts'
import { startCatalog, startShop } from './support/shop.ts'

const form = {
  seed: 1,
  baskets: 4,
  clients: 8,
  requests: 20,
  pauseMs: 80,
  faultPauseMs: [0, 300],
  // Each fault of the store is one with a failover.
  faultKinds: /^(?!primary paused, no failover)/,
} as const

const rounds = 2

it('no confirmed write of a basket is lost or made twice while primaries of Redis Cluster fail again and again', {
  skip: withoutOwnRedis,
}, async (test) => {
  const counts = new Counts()
  await using catalog = await startCatalog()
  await using shop = await startShop({ engine: 'cluster', catalog })
  await runRounds(
    shop,
    () => form,
    counts,
    (round) => round < rounds,
  )
  test.diagnostic(counts.line())
  assert.equal(counts.get('histories'), rounds * form.baskets)
  assert.ok(shop.failovers() >= rounds)
})
