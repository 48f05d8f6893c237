import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { instrument } from '../../src/metrics/instrument.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

const useCases = {
  getProduct: async ({ id }: { id: number }) => {
    await delay(20)
    if (id === 0) throw new AppError('not_found', 'there is no product 0')
    if (id < 0) throw new TypeError('bug')
    return `product ${id}`
  },
  listProducts: async (_query: { secret: string }) => [],
}

describe('instrument', () => {
  it('counts every call of a use case by its outcome: ok, or the code of the error', async () => {
    const metrics = createMetrics('test', '1.0.0')
    const use = instrument(useCases, metrics)
    assert.equal(await use.getProduct({ id: 7 }), 'product 7')
    assert.equal(await use.getProduct({ id: 8 }), 'product 8')
    await assert.rejects(use.getProduct({ id: 0 }), { code: 'not_found' })
    await assert.rejects(use.getProduct({ id: -1 }), TypeError)
    await use.listProducts({ secret: 'hunter2' })

    const text = await metrics.registry.metrics()
    const counts = text.split('\n').filter((line) => line.startsWith('use_case_duration_seconds_count'))
    assert.deepEqual(counts, [
      'use_case_duration_seconds_count{service="test",use_case="getProduct",outcome="ok"} 2',
      'use_case_duration_seconds_count{service="test",use_case="getProduct",outcome="not_found"} 1',
      'use_case_duration_seconds_count{service="test",use_case="getProduct",outcome="internal"} 1',
      'use_case_duration_seconds_count{service="test",use_case="listProducts",outcome="ok"} 1',
    ])
    assert.doesNotMatch(text, /hunter2/)
  })

  it('measures how long a call takes, in seconds', async () => {
    const metrics = createMetrics('test', '1.0.0')
    await instrument(useCases, metrics).getProduct({ id: 7 })
    const { values } = await metrics.useCaseDuration.get()
    const seconds = values.find(({ metricName }) => metricName === 'use_case_duration_seconds_sum')?.value
    assert.ok(seconds !== undefined && seconds > 0.015 && seconds < 15, `${seconds} s`)
  })
})
