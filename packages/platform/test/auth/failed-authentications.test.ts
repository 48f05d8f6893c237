import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { limitFailures } from '../../src/auth/failed-authentications.ts'
import type { Check } from '../../src/auth/identity.ts'
import type { ShareUsage } from '../../src/limits/rates/policy.ts'
import { createRates } from '../../src/limits/rates/rates.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

/** A store in memory, as several processes share it. */
const sharedUsage = (): ShareUsage => {
  const used = new Map<string, number>()
  return () => ({
    add: async (identity, points) => {
      const total = (used.get(identity) ?? 0) + points
      used.set(identity, total)
      return { used: total, resetMs: 60_000 }
    },
  })
}

const createLimit = (shareUsage?: ShareUsage) => {
  const metrics = createMetrics('test-service', '1.0.0')
  const rates = { processes: 1, shareUsage, logger: silentLogger, metrics }
  const limit = limitFailures(createRates(rates), metrics)
  let checks = 0
  const checked = (outcome: () => Principal | Promise<Principal>) => () => {
    checks += 1
    return outcome()
  }
  const outcomeOf = async (
    outcome: () => Principal | Promise<Principal>,
    client: string | undefined,
    wasValid = false,
  ) => {
    try {
      await limit({ check: checked(outcome), wasValid }, client)
      return 'accepted'
    } catch (error) {
      if (error instanceof AppError) return error.kind
      throw error
    }
  }
  return {
    limit,
    outcomeOf,
    checks: () => checks,
    refusals: async () =>
      Number(
        /requests_refused_total\{reason="failed_authentications",scope="client",.*\} (\d+)/.exec(
          await metrics.registry.metrics(),
        )?.[1],
      ),
  }
}

const valid = () => anonymous
const refused = (): never => {
  throw unauthenticated('the token is not valid')
}
const rejected = () => Promise.reject<Principal>(unauthenticated('the token is not valid'))
const notChecked = () => Promise.reject<Principal>(new AppError('unavailable', 'the keys are not known'))

const eve = '203.0.113.7'
const ann = '203.0.113.8'

const anew = (check: Check) => ({ check, wasValid: false })

const repeat = async (count: number, work: () => Promise<unknown>) => {
  for (let left = count; left > 0; left--) await work()
}

describe('failed authentications of a client', () => {
  it('are limited to 100 a minute: then nothing is checked, and the error says when to try again', async () => {
    const { outcomeOf, limit, checks, refusals } = createLimit()
    assert.equal(await refusals(), 0)
    for (let count = 1; count <= 100; count++)
      assert.equal(await outcomeOf(count % 2 === 0 ? refused : rejected, eve), 'unauthenticated')
    assert.equal(checks(), 100)
    await assert.rejects(limit(anew(valid), eve), (error: unknown) => {
      assert.ok(error instanceof AppError)
      assert.deepEqual(
        [error.kind, error.message],
        ['rate_limited', 'too many failed authentications from your address, try again later'],
      )
      const { retryAfterSeconds = 0 } = error
      assert.ok(retryAfterSeconds > 50 && retryAfterSeconds <= 60, String(retryAfterSeconds))
      return true
    })
    assert.equal(checks(), 100)
    assert.equal(await refusals(), 1)
  })

  it('leave the other clients alone, and do not count if they have no client', async () => {
    const { outcomeOf } = createLimit()
    await repeat(101, () => outcomeOf(refused, eve))
    assert.equal(await outcomeOf(valid, ann), 'accepted')
    await repeat(101, () => outcomeOf(refused, undefined))
    assert.equal(await outcomeOf(valid, undefined), 'accepted')
  })

  it('are only refusals: valid credentials, and those that cannot be checked, do not count', async () => {
    const { outcomeOf } = createLimit()
    await repeat(200, () => outcomeOf(valid, eve))
    await repeat(200, () => outcomeOf(notChecked, eve))
    assert.equal(await outcomeOf(valid, eve), 'accepted')
  })

  it('do not lock out those behind the same address whose credentials were valid before', async () => {
    const { outcomeOf } = createLimit()
    await repeat(150, () => outcomeOf(refused, eve))
    assert.equal(await outcomeOf(valid, eve), 'rate_limited')
    assert.equal(await outcomeOf(valid, eve, true), 'accepted')
    assert.equal(await outcomeOf(refused, eve, true), 'unauthenticated')
  })

  it('at the same time are limited to 100 checks, before the first has failed', async () => {
    const { outcomeOf, checks, limit } = createLimit()
    const { promise, resolve } = Promise.withResolvers<void>()
    const slow = () => promise.then(refused)
    const flood = Array.from({ length: 10_000 }, () => outcomeOf(slow, eve))
    assert.equal(await outcomeOf(valid, ann), 'accepted')
    await assert.rejects(limit(anew(valid), eve), (error: unknown) => {
      // The checks end soon, and may succeed.
      assert.equal(error instanceof AppError && error.retryAfterSeconds, 1)
      return true
    })
    resolve()
    const outcomes = Object.groupBy(await Promise.all(flood), (outcome) => outcome)
    assert.deepEqual([outcomes.unauthenticated?.length, outcomes.rate_limited?.length], [100, 9_900])
    assert.equal(checks(), 101)
    await assert.rejects(limit(anew(valid), eve), hasCode('rate_limited'))
  })

  it('at the same time end, so that later ones are checked', async () => {
    const { outcomeOf } = createLimit()
    await Promise.all(Array.from({ length: 100 }, () => outcomeOf(valid, eve)))
    assert.equal(await outcomeOf(valid, eve), 'accepted')
    await Promise.all(Array.from({ length: 100 }, () => outcomeOf(notChecked, eve)))
    assert.equal(await outcomeOf(valid, eve), 'accepted')
  })

  it('are counted together by the processes that share a store', async () => {
    const store = sharedUsage()
    const [one, other] = [createLimit(store), createLimit(store)]
    await repeat(100, () => one.outcomeOf(refused, eve))
    // It learns of the others with its own first failure.
    assert.equal(await other.outcomeOf(refused, eve), 'unauthenticated')
    await new Promise(setImmediate)
    assert.equal(await other.outcomeOf(valid, eve), 'rate_limited')
    assert.equal(other.checks(), 1)
  })
})
