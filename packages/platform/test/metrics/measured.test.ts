import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { measured } from '../../src/metrics/measured.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { pipeline } from '../../src/pipeline.ts'

const context = systemContext('test')

const useCases = {
  getProduct: async ({ id }: { id: number }) => {
    await delay(20)
    if (id === 0) throw new AppError('not_found', 'product 0 not found')
    if (id < 0) throw new TypeError('bug')
    return `product ${id}`
  },
  listProducts: async (_query: { secret: string }) => [],
}

describe('the metrics of a use case', () => {
  it('count every call by its outcome: ok, or the code of the error', async () => {
    const metrics = createMetrics('test', '1.0.0')
    const use = pipeline(useCases, [measured(metrics)])
    assert.equal(await use.getProduct({ id: 7 }, context), 'product 7')
    assert.equal(await use.getProduct({ id: 8 }, context), 'product 8')
    await assert.rejects(use.getProduct({ id: 0 }, context), { code: 'not_found' })
    await assert.rejects(use.getProduct({ id: -1 }, context), TypeError)
    await use.listProducts({ secret: 'hunter2' }, context)

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

  it('measure the duration of a call in seconds', async () => {
    const metrics = createMetrics('test', '1.0.0')
    await pipeline(useCases, [measured(metrics)]).getProduct({ id: 7 }, context)
    const text = await metrics.registry.metrics()
    const seconds = Number(/^use_case_duration_seconds_sum\{.*\} (.+)$/m.exec(text)?.[1])
    assert.ok(seconds > 0.015 && seconds < 15, `${seconds} s`)
  })
})
