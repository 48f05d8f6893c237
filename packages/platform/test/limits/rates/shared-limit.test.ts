import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { simulateRates } from '../../support/simulated-rates.ts'

type Use = Readonly<{ process: number; identity: string; points: number; pauseMs: number }>

const useOf = (maxPoints: number): fc.Arbitrary<Use> =>
  fc.record({
    process: fc.nat({ max: 3 }),
    identity: fc.constantFrom('ann', 'bob'),
    points: fc.integer({ min: 1, max: maxPoints }),
    pauseMs: fc.constantFrom(0, 0, 0, 0, 3, 20, 110),
  })

type Totals = Readonly<Record<'asked' | 'allowed', number>>

/** Lets four processes use a limit, and returns what each identity has asked for, and what it was allowed. */
const run = async (quota: number, latencyMs: number, uses: readonly Use[]) => {
  const policy = { name: 'reads', quota, windowSeconds: 60 }
  using simulation = simulateRates(policy, { instances: 2, processes: 2 })
  simulation.store.latencyMs = latencyMs
  const decisions: Promise<void>[] = []
  const totals = new Map<string, Totals>()
  const count = (identity: string, asked: number, allowed: number) => {
    const known = totals.get(identity) ?? { asked: 0, allowed: 0 }
    totals.set(identity, { asked: known.asked + asked, allowed: known.allowed + allowed })
  }
  for (const { process, identity, points, pauseMs } of uses) {
    const decision = simulation.limits[process]?.take(identity, points)
    count(identity, points, 0)
    decisions.push(
      Promise.resolve(decision).then((decided) =>
        count(identity, 0, decided?.isAllowed === true ? points : 0),
      ),
    )
    await simulation.pass(pauseMs)
  }
  await simulation.pass(200)
  await Promise.all(decisions)
  return { totals: [...totals.values()], events: simulation.events }
}

it('a quota below 50 is exact, whatever the order in which processes use it, and nothing of it is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 49 }),
      fc.constantFrom(0, 4, 20),
      fc.array(useOf(1), { maxLength: 150, size: 'max' }),
      async (quota, latencyMs, uses) => {
        const { totals, events } = await run(quota, latencyMs, uses)
        assert.deepEqual(events, [])
        for (const { asked, allowed } of totals) assert.equal(allowed, Math.min(asked, quota))
      },
    ),
    { numRuns: 60 },
  )
})

it('a large quota is exceeded by 2 % for each process at most, and never refused before it is used up', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 50, max: 1_000 }),
      fc.constantFrom(0, 4, 20),
      fc.array(useOf(30), { maxLength: 150, size: 'max' }),
      async (quota, latencyMs, uses) => {
        const { totals } = await run(quota, latencyMs, uses)
        for (const { asked, allowed } of totals) {
          assert.ok(allowed <= quota + 4 * Math.max(30, quota / 50), `${allowed} of ${quota}`)
          // A request that needs more than is left is refused, and counts.
          if (asked <= quota) assert.equal(allowed, asked)
        }
      },
    ),
    { numRuns: 60 },
  )
})
