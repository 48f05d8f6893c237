import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createBudget } from '../../src/limits/budget.ts'

describe('a budget', () => {
  it('refuses what exceeds the share of a client, and serves the others', () => {
    const budget = createBudget({ total: 10, share: 4 })
    assert.equal(budget.take('ann', 4), undefined)
    assert.equal(budget.take('ann'), 'client')
    assert.equal(budget.take('bob', 4), undefined)
    assert.equal(budget.used(), 8)
  })

  it('refuses what exceeds the total', () => {
    const budget = createBudget({ total: 10, share: 4 })
    for (const client of ['ann', 'bob']) assert.equal(budget.take(client, 4), undefined)
    assert.equal(budget.take('cid', 3), 'total')
    assert.equal(budget.take('cid', 2), undefined)
  })

  it('limits clients without an identity only by the total', () => {
    const budget = createBudget({ total: 10, share: 4 })
    assert.equal(budget.take(undefined, 9), undefined)
    assert.equal(budget.take(undefined, 2), 'total')
    assert.equal(budget.usedBy(undefined), 0)
  })

  it('has room again for what was given back', () => {
    const budget = createBudget({ total: 4, share: 4 })
    budget.take('ann', 4)
    budget.giveBack('ann', 3)
    assert.equal(budget.usedBy('ann'), 1)
    assert.equal(budget.take('bob', 3), undefined)
  })

  it('counts what is taken anyway', () => {
    const budget = createBudget({ total: 4, share: 2 })
    budget.takeAnyway('ann', 5)
    assert.equal(budget.used(), 5)
    assert.equal(budget.take('bob'), 'total')
  })
})
