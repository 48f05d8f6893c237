import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createBudget } from '../../src/limits/budget.ts'
import { type Holding, Holdings } from '../../src/limits/holdings.ts'

const total = 100
const share = 60

/** Holdings whose owners are named. `evicted` has the names in the order in which they lost their place. */
const createTested = (graceMs: number) => {
  const budget = createBudget({ total, share })
  const evicted: string[] = []
  let evictions = 0
  const holdings = new Holdings(budget, { graceMs, onEvict: () => (evictions += 1) })
  const owner = (name: string, isWaiting = true) => ({
    isWaiting: () => isWaiting,
    evict: () => void evicted.push(name),
  })
  const hold = (client: string | undefined, bytes: number, name: string, isWaiting = true) =>
    holdings.hold(client, bytes, owner(name, isWaiting))
  return { holdings, hold, owner, budget, evicted, evictions: () => evictions }
}

const held = (holding: Holding | string): Holding => {
  assert.ok(typeof holding !== 'string')
  return holding
}

describe('holdings', () => {
  it('use the share of the client and the total, until they are released', () => {
    const { holdings, hold, budget } = createTested(60_000)
    const first = held(hold('a', share, 'first'))
    assert.equal(hold('a', 1, 'more'), 'client')
    held(hold('b', total - share, 'other'))
    assert.equal(hold('c', 1, 'third'), 'total')
    holdings.release(first)
    holdings.release(first)
    assert.equal(budget.used(), total - share)
    held(hold('a', share, 'again'))
  })

  it('lose their place after the grace period, the longest waiting first, and only as many as necessary', () => {
    const { hold, budget, evicted, evictions } = createTested(0)
    held(hold('a', 30, 'oldest'))
    held(hold('b', 30, 'served', false))
    held(hold('c', 30, 'second'))
    held(hold('d', 10, 'third'))
    held(hold('e', 40, 'new'))
    assert.deepEqual([evicted, evictions()], [['oldest', 'second'], 2])
    assert.equal(budget.used(), 80)
    assert.equal(budget.usedBy('a'), 0)
  })

  it('keep their place during the grace period, and when the client has done its part', () => {
    const young = createTested(60_000)
    held(young.hold('a', 60, 'young'))
    assert.equal(young.hold('b', 50, 'new'), 'total')
    const old = createTested(0)
    old.holdings.keep(held(old.hold('a', 60, 'complete')))
    assert.equal(old.hold('b', 50, 'new'), 'total')
    assert.deepEqual([young.evicted, old.evicted], [[], []])
  })

  it('make no room for the share of their own client', () => {
    const { hold, evicted } = createTested(0)
    held(hold('a', share, 'own'))
    assert.equal(hold('a', 1, 'more'), 'client')
    assert.deepEqual(evicted, [])
  })

  it('that cannot be refused displace the oldest of the client, then the oldest of all, without a grace period', () => {
    const { holdings, hold, owner, budget, evicted } = createTested(60_000)
    held(hold('b', 40, 'other'))
    held(hold('a', 20, 'first'))
    held(hold('a', 20, 'second'))
    holdings.holdAnyway('a', 30, owner('forced'))
    assert.deepEqual(evicted, ['first'])
    holdings.holdAnyway('c', 40, owner('forced too'))
    assert.deepEqual(evicted, ['first', 'other'])
    holdings.holdAnyway(undefined, 2 * total, owner('larger than all'))
    assert.equal(budget.used(), 2 * total)
  })

  it('grow as long as there is room, and never displace themselves', () => {
    const { holdings, owner, hold, evicted, budget } = createTested(0)
    const smallest = holdings.start('c', owner('smallest'))
    const growing = holdings.start('a', owner('growing'))
    assert.equal(holdings.grow(growing, 50), undefined)
    assert.equal(holdings.grow(growing, share - 49), 'client')
    held(hold('b', 40, 'younger'))
    assert.equal(holdings.grow(smallest, 1), undefined)
    assert.equal(holdings.grow(growing, 10), undefined)
    assert.deepEqual([evicted, budget.used()], [['smallest'], total])
  })
})
