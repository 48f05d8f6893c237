import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createRates } from '../../../src/limits/rates/rates.ts'
import { Allowance } from '../../../src/limits/rates/request-rate.ts'
import { createRequestRates } from '../../../src/limits/rates/request-rates.ts'
import { createMetrics } from '../../../src/metrics/metrics.ts'

/** What a request may use of this many reads, where the instance has this many processes. */
const open = (reads: number, processes = 1) => {
  const metrics = createMetrics('test-service', '1.0.0')
  const rates = createRates({ processes, logger: silentLogger, metrics })
  const rate = createRequestRates(rates, metrics, { reads, writes: undefined }).reads
  assert.ok(rate)
  const request = () => {
    const allowance = new Allowance(rate, { identity: 'user:ann' })
    return {
      allowance,
      /** Takes the points one after the other, until one is refused. */
      takes: (...points: readonly number[]) =>
        points.every((count) => {
          const refusal = allowance.take(count)
          assert.ok(refusal === undefined || refusal instanceof AppError)
          return refusal === undefined
        }),
    }
  }
  return { request, metrics, [Symbol.dispose]: () => rates[Symbol.dispose]() }
}

describe('what a request may use', () => {
  for (const [reads, processes] of [
    [5, 1],
    [20, 4],
  ] as const)
    it(`is all that a process has of ${reads} if it costs more, once in a window (of ${processes} processes)`, () => {
      using opened = open(reads, processes)
      const list = opened.request()
      assert.equal(list.takes(1, 10), true)
      assert.deepEqual(list.allowance.told, {
        policy: '"reads";q=5;w=60',
        state: '"reads";r=0;t=60',
        refusal: undefined,
      })
      assert.equal(opened.request().takes(1), false)
    })

  it('is what others have left: what costs more is refused, and counted', async () => {
    using opened = open(20)
    assert.equal(opened.request().takes(1, 10), true)
    assert.equal(opened.request().takes(1, 10), false)
    assert.equal(opened.request().takes(1), false)
    assert.match(
      await opened.metrics.registry.metrics(),
      /^requests_refused_total\{reason="rate_reads",scope="client",.*\} 2$/m,
    )
  })
})
