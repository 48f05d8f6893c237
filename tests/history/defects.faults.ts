import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { Counts } from './support/counts.ts'
import { defects } from './support/defects.ts'
import { type Form, runRounds } from './support/rounds.ts'
import { type Catalog, startCatalog, startShop } from './support/shop.ts'

const form = { seed: 1, baskets: 2, clients: 8, requests: 20, pauseMs: 5 } as const

const maxRounds = 25

/** Runs rounds until a history is impossible, and returns the message that says so. */
const findDefect = async (catalog: Catalog, defect: string, faults: Partial<Form> = {}): Promise<string> => {
  await using shop = await startShop({ engine: 'redis', catalog, defect })
  const rounds = runRounds(
    shop,
    () => ({ ...form, ...faults }),
    new Counts(),
    (round) => round < maxRounds,
  )
  return await rounds.then(
    () => 'no history was impossible',
    (error: Error) => error.message,
  )
}

describe('the history checker finds', { skip: withoutOwnRedis }, () => {
  let catalog: Catalog
  before(async () => {
    catalog = await startCatalog()
  })
  after(() => catalog[Symbol.asyncDispose]())

  it('a plain SET in place of compare-and-set', async (test) => {
    const message = await findDefect(catalog, defects.plainSet)
    test.diagnostic(message)
    assert.match(message, /is not linearizable/)
  })

  it('a write that forgets the keys of earlier writes', async (test) => {
    const message = await findDefect(catalog, defects.forgottenKeys)
    test.diagnostic(message)
    assert.match(message, /is not linearizable/)
  })

  it('a write that the service repeats after a lost response', async (test) => {
    const message = await findDefect(catalog, defects.repeatedWrites, {
      pauseMs: 40,
      faultPauseMs: [50, 300],
      faultKinds: /responses to Redis/,
    })
    test.diagnostic(message)
    assert.match(message, /is not linearizable/)
  })
})
