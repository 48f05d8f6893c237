import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, it } from 'node:test'
import type { RateDecision } from '../../../src/limits/rates/policy.ts'
import { RateLimit } from '../../../src/limits/rates/rate-limit.ts'
import { simulateRates } from '../../support/simulated-rates.ts'

const policyOf = (quota: number) => ({ name: 'reads', quota, windowSeconds: 60 })

/** Takes a point this many times at once, and returns how many were allowed. */
const takeAll = async (limit: RateLimit | undefined, count: number, identity = 'ann'): Promise<number> => {
  assert.ok(limit)
  const decisions = await Promise.all(Array.from({ length: count }, async () => limit.take(identity)))
  return decisions.filter(({ isAllowed }) => isAllowed).length
}

const now = (decision: RateDecision | Promise<RateDecision> | undefined): RateDecision => {
  assert.ok(decision !== undefined && !(decision instanceof Promise), 'the decision waits')
  return decision
}

describe('a limit of one process', () => {
  const open = (quota: number, processes = 1) => {
    const clock = { time: 0 }
    return { clock, limit: new RateLimit({ policy: policyOf(quota), processes, now: () => clock.time }) }
  }

  it('allows the quota in each window, which begins with the first use', () => {
    const { clock, limit } = open(2)
    clock.time = 5_000
    assert.deepEqual(limit.take('ann'), { isAllowed: true, remaining: 1, resetMs: 60_000 })
    clock.time = 15_000
    assert.deepEqual(limit.take('ann'), { isAllowed: true, remaining: 0, resetMs: 50_000 })
    assert.deepEqual(limit.take('ann'), { isAllowed: false, remaining: 0, resetMs: 50_000 })
    assert.equal(now(limit.take('bob')).isAllowed, true)
    clock.time = 64_999
    assert.equal(now(limit.take('ann')).isAllowed, false)
    clock.time = 65_000
    assert.deepEqual(limit.take('ann'), { isAllowed: true, remaining: 1, resetMs: 60_000 })
  })

  it('ends no later than its window, also if the sum of the time and the window is rounded up', () => {
    const { clock, limit } = open(2)
    clock.time = 5536.1
    assert.ok(clock.time + 60_000 - clock.time > 60_000)
    assert.equal(now(limit.take('ann')).resetMs, 60_000)
  })

  it('is a part of the quota for each process of the instance, rounded up', () => {
    const { limit } = open(5, 2)
    assert.equal(limit.quota, 3)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => now(limit.take('ann')).isAllowed),
      [true, true, true, false],
    )
  })

  it('refuses what needs more than is left, and counts it', () => {
    const { limit } = open(10)
    now(limit.take('ann', 5))
    assert.equal(now(limit.take('ann', 6)).isAllowed, false)
    assert.equal(now(limit.take('ann', 1)).isAllowed, false)
  })

  it('takes back what is given back, and shows what is left without taking it', () => {
    const { limit } = open(2)
    limit.giveBack('nobody')
    now(limit.take('ann'))
    now(limit.take('ann'))
    limit.giveBack('ann')
    assert.equal(limit.peek('ann').remaining, 1)
    assert.equal(now(limit.take('ann')).isAllowed, true)
    assert.equal(limit.peek('ann').isAllowed, false)
    assert.deepEqual(limit.peek('bob'), { isAllowed: true, remaining: 2, resetMs: 60_000 })
  })

  it('takes back no more than was taken in the window: what was taken in the last one is gone', () => {
    const { clock, limit } = open(3)
    now(limit.take('ann', 3))
    clock.time = 60_000
    limit.giveBack('ann')
    now(limit.take('ann'))
    limit.giveBack('ann', 3)
    assert.equal(limit.peek('ann').remaining, 3)
    assert.equal(now(limit.take('ann', 4)).isAllowed, false)
  })

  it('forgets those who have used least when there are too many', () => {
    const { limit } = open(100)
    now(limit.take('busy', 100))
    for (let index = 0; index < 25_000; index++) now(limit.take(`identity ${index}`))
    assert.equal(now(limit.take('busy')).isAllowed, false)
    assert.equal(limit.peek('identity 0').remaining, 100)
  })
})

describe('a limit of several processes', () => {
  it('costs nothing at the store until an identity has used 1 %, and then tells it within 100 ms', async () => {
    using simulation = simulateRates(policyOf(10_000), { processes: 2 })
    const [one, other] = simulation.limits
    for (let count = 0; count < 99; count++) now(one?.take('ann'))
    await simulation.pass(200)
    assert.equal(simulation.store.commands, 0)
    now(one?.take('ann'))
    for (let count = 0; count < 50; count++) now(one?.take('ann'))
    await simulation.pass(200)
    assert.deepEqual([simulation.usedInStore('ann'), simulation.store.commands], [150, 2])
    for (let count = 0; count < 100; count++) now(other?.take('ann'))
    await simulation.pass(200)
    assert.equal(other?.peek('ann').remaining, 9_750)
  })

  it('tells nothing of a window that has ended, and begins a new one', async () => {
    using simulation = simulateRates(policyOf(4), { processes: 2 })
    const [one, other] = simulation.limits
    assert.equal(await takeAll(one, 3), 3)
    assert.equal(await takeAll(other, 3), 1)
    const { resetMs } = now(other?.take('ann'))
    await simulation.pass(resetMs)
    assert.equal(await takeAll(one, 3), 3)
    assert.equal(await takeAll(other, 3), 1)
  })

  it('sends 500 commands at a time, and the others soon', async () => {
    using simulation = simulateRates(policyOf(10_000))
    const [limit] = simulation.limits
    simulation.store.latencyMs = 20
    const identities = Array.from({ length: 600 }, (_, index) => `identity ${index}`)
    for (const identity of identities) {
      now(limit?.take(identity, 100))
      now(limit?.take(identity))
    }
    assert.equal(simulation.store.commands, 500)
    await simulation.pass(300)
    assert.deepEqual(
      identities.filter((identity) => simulation.usedInStore(identity) !== 101),
      [],
    )
  })

  it('keeps no context of a request for the commands after its own', async () => {
    using simulation = simulateRates(policyOf(10))
    const [limit] = simulation.limits
    const request = new AsyncLocalStorage<string>()
    const contexts: unknown[] = []
    simulation.store.onCommand = () => contexts.push(request.getStore())
    simulation.store.latencyMs = 10
    const decisions = ['first', 'second', 'third'].map((name) =>
      request.run(name, async () => limit?.take('ann')),
    )
    await simulation.pass(40)
    await Promise.all(decisions)
    assert.deepEqual(contexts, ['first', undefined])
  })

  it('is shared again when points were given back', async () => {
    using simulation = simulateRates(policyOf(10), { processes: 2 })
    const [one, other] = simulation.limits
    assert.equal(await takeAll(one, 8), 8)
    one?.giveBack('ann', 3)
    await simulation.pass(150)
    assert.equal(simulation.usedInStore('ann'), 5)
    assert.equal(await takeAll(other, 10), 5)
  })
})

describe('a limit whose store does not respond', () => {
  for (const state of ['failing', 'hung'] as const)
    it(`is that of each process if the store is ${state}, and only the first decision waits, for 50 ms`, async () => {
      using simulation = simulateRates(policyOf(40), { processes: 2 })
      const [one, other] = simulation.limits
      assert.equal(await takeAll(one, 20), 20)
      simulation.store.state = state
      const waiting = takeAll(one, 4)
      await simulation.pass(state === 'hung' ? 55 : 0)
      assert.equal(await waiting, 4)
      // Of the 20 that were left, this process has 10.
      assert.equal(one?.quota, 20)
      for (let count = 0; count < 6; count++) assert.equal(now(one?.take('ann')).isAllowed, true)
      assert.equal(now(one?.take('ann')).isAllowed, false)
      assert.equal(now(one?.take('bob')).isAllowed, true)
      assert.deepEqual(simulation.events.length, 1)

      const unaware = takeAll(other, 25)
      await simulation.pass(55)
      assert.equal(await unaware, 20)
      assert.equal(simulation.events.length, 2)
    })

  it('asks the store once a second, and shares again when it responds in time', async () => {
    using simulation = simulateRates(policyOf(40), { processes: 2 })
    const [one, other] = simulation.limits
    simulation.store.state = 'failing'
    assert.equal(await takeAll(one, 15), 15)
    await simulation.pass(4_500)
    assert.equal(simulation.store.commands, 5)
    assert.deepEqual(simulation.events, ['away: connection refused'])

    simulation.store.state = 'up'
    simulation.store.latencyMs = 80
    await simulation.pass(1_000)
    assert.deepEqual(simulation.events, ['away: connection refused'])
    simulation.store.latencyMs = 4
    await simulation.pass(2_000)
    assert.deepEqual(simulation.events, ['away: connection refused', 'back'])
    const next = takeAll(one, 1)
    await simulation.pass(20)
    assert.equal(await next, 1)
    // With what was used meanwhile.
    assert.equal(simulation.usedInStore('ann'), 16)
    const rest = takeAll(other, 40)
    await simulation.pass(40)
    assert.equal(await rest, 24)
  })

  it('is a part of what was left at the beginning of each outage', async () => {
    using simulation = simulateRates(policyOf(40), { processes: 2 })
    const { store } = simulation
    const [one, other] = simulation.limits
    assert.equal(await takeAll(one, 20), 20)
    store.state = 'failing'
    assert.equal(await takeAll(one, 1), 1)
    store.state = 'up'
    await simulation.pass(1_100)
    assert.equal(await takeAll(other, 11), 11)
    assert.equal(await takeAll(one, 1), 1)
    // 33 are used. Of the 7 that are left, this process has 4.
    store.state = 'failing'
    assert.equal(await takeAll(one, 10), 4)
  })

  it('counts nothing of a window that has ended while its command was under way', async () => {
    using simulation = simulateRates(policyOf(10), { processes: 2 })
    const [one] = simulation.limits
    assert.equal(await takeAll(one, 4), 4)
    await simulation.pass(59_990)
    simulation.store.state = 'hung'
    const last = takeAll(one, 6)
    await simulation.pass(20)
    // The first use of the new window. It waits, until the store is given up for this process.
    const first = takeAll(one, 1)
    await simulation.pass(60)
    // Nobody knows what was left, so those of the old window have the part of this process.
    assert.deepEqual([await last, await first], [1, 1])
    assert.equal(one?.peek('ann').remaining, 4)
    simulation.store.fail?.(new Error('the connection is lost'))
    await simulation.pass(0)
    assert.equal(one?.peek('ann').remaining, 4)
  })

  it('asks no more after it is disposed of', async () => {
    using simulation = simulateRates(policyOf(10_000))
    const [limit] = simulation.limits
    now(limit?.take('ann', 150))
    limit?.giveBack('ann', 20)
    const { commands } = simulation.store
    limit?.[Symbol.dispose]()
    await simulation.pass(500)
    assert.equal(simulation.store.commands, commands)
  })
})
