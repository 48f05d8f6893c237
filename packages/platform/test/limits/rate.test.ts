import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createRate } from '../../src/limits/rate.ts'

/** A rate of six per minute by a clock that the test moves. */
const openRate = (amount = 6) => {
  let time = 1_000
  const { take, giveBack } = createRate({ amount, periodSeconds: 60, now: () => time })
  return {
    take,
    giveBack,
    pass: (seconds: number) => {
      time += seconds * 1_000
    },
    /** Takes until the client is refused. Returns how many it took. */
    takeAll: (client: string) => {
      let taken = 0
      while (take(client) === undefined) taken += 1
      return taken
    },
  }
}

describe('a rate', () => {
  it('lets each client use its amount at once, and not that of others', () => {
    const rate = openRate()
    assert.equal(rate.takeAll('ann'), 6)
    assert.equal(rate.takeAll('bob'), 6)
  })

  it('makes what was used available again evenly within the period, and says when', () => {
    const rate = openRate()
    rate.takeAll('ann')
    assert.equal(rate.take('ann'), 10)
    rate.pass(3.5)
    assert.equal(rate.take('ann'), 7)
    rate.pass(6.5)
    assert.equal(rate.takeAll('ann'), 1)
    rate.pass(30)
    assert.equal(rate.takeAll('ann'), 3)
    rate.pass(3_600)
    assert.equal(rate.takeAll('ann'), 6)
  })

  it('has room for what was given back, and for no more than its amount', () => {
    const rate = openRate()
    rate.takeAll('ann')
    rate.giveBack('ann')
    assert.equal(rate.takeAll('ann'), 1)
    for (let count = 0; count < 20; count++) rate.giveBack('ann')
    assert.equal(rate.takeAll('ann'), 6)
    rate.giveBack('never seen')
    assert.equal(rate.takeAll('never seen'), 6)
  })

  it('does not limit clients without an identity', () => {
    const rate = openRate(1)
    for (let count = 0; count < 10; count++) assert.equal(rate.take(undefined), undefined)
  })

  it('remembers those that have used most if there are too many clients', () => {
    const rate = openRate()
    rate.takeAll('attacker')
    rate.take('customer')
    const addresses = Array.from({ length: 30_000 }, (_, number) => `address ${number}`)
    for (const address of addresses) rate.take(address)
    assert.ok(rate.take('attacker'))
    assert.ok(rate.takeAll('customer') >= 5)
    // Those that were forgotten have their whole amount again.
    const remembered = addresses.toReversed().filter((address) => rate.takeAll(address) < 6)
    assert.ok(remembered.length > 1_000 && remembered.length <= 10_000, `${remembered.length}`)
  })
})
