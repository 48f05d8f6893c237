import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { requestContext } from '../../src/request-context.ts'
import { batchByKey } from '../../src/resilience/batch-by-key.ts'
import { inSpan } from '../../src/tracing/api.ts'

describe('calls that come at the same time', () => {
  it('are one load of distinct keys, and each gets its own value', async () => {
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      return keys.map((key) => key * 2)
    }
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    assert.deepEqual(await Promise.all([1, 2, 2, 3, 1].map(find)), [2, 4, 4, 6, 2])
    assert.deepEqual(loads, [[1, 2, 3]])
  })

  it('fail alone when one key fails, and together when the load fails', async () => {
    const load = async (keys: readonly number[]) => {
      if (keys.includes(0)) throw new Error('all')
      return keys.map((key) => (key < 0 ? new Error('one') : key))
    }
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const [one, other] = await Promise.allSettled([find(-1), find(1)])
    assert.deepEqual([one.status, other], ['rejected', { status: 'fulfilled', value: 1 }])
    const both = await Promise.allSettled([find(0), find(1)])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(await find(1), 1)
  })

  it('are loaded in the trace of the first of them, and the spans of the others point to there', async () => {
    const load = (keys: readonly number[]) => inSpan('load', async () => [...keys])
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const spans = await spansOf(() =>
      Promise.all([1, 2, 2].map((key, index) => inRequest(`request ${index}`, () => find(key)))),
    )
    const begun = spans.find(({ name }) => name === 'request 0')
    assert.equal(treeOf(spans, begun?.id ?? ''), 'test-service internal load\n')
    const linksOf = Object.fromEntries(spans.map(({ name, links }) => [name, links]))
    const first = [begun?.id]
    assert.deepEqual(linksOf, { load: [], 'request 0': [], 'request 1': first, 'request 2': first })
  })

  it('wait for a slot, and then go together, no more than fit into a batch', async () => {
    const open: (() => void)[] = []
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      await new Promise<void>((resolve) => open.push(resolve))
      return [...keys]
    }
    const find = batchByKey({ load, slots: 2, maxBatchSize: 3 })
    const calls: Promise<number>[] = []
    for (const key of [1, 2, 3, 4, 5, 6, 7]) {
      calls.push(find(key))
      await turn()
      await turn()
    }
    assert.deepEqual(loads, [[1], [2]])
    while (loads.flat().length < 7) {
      open.shift()?.()
      await turn()
      await turn()
    }
    for (const finish of open) finish()
    assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(loads, [[1], [2], [3, 4, 5], [6, 7]])
  })

  it('never take more slots than there are, also when one moment fills several batches', async () => {
    let running = 0
    let most = 0
    const load = async (keys: readonly number[]) => {
      running += 1
      most = Math.max(most, running)
      await turn()
      running -= 1
      return [...keys]
    }
    const find = batchByKey({ load, slots: 2, maxBatchSize: 2 })
    const keys = Array.from({ length: 20 }, (_, index) => index)
    assert.deepEqual(await Promise.all(keys.map(find)), keys)
    assert.equal(most, 2)
  })

  it('never get what was there before they were made', async () => {
    let stored = 0
    // The value is read when the load begins and arrives later, as from a database.
    const load = async (keys: readonly string[]) => {
      const values = keys.map(() => stored)
      await turn()
      return values
    }
    const find = batchByKey({ load, slots: 2, maxBatchSize: 100 })
    const storm = setInterval(() => void find('key'), 0)
    for (let written = 1; written <= 2_000; written++) {
      void find('key')
      stored = written
      assert.ok((await find('key')) >= written)
    }
    clearInterval(storm)
  })

  it('may have undefined for an answer', async () => {
    const load = async (keys: readonly number[]) => keys.map((key) => (key === 1 ? 'one' : undefined))
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    assert.deepEqual(await Promise.all([find(1), find(2)]), ['one', undefined])
  })

  it('are given up when nobody waits for any of them, and not before', async () => {
    const given: (AbortSignal | undefined)[] = []
    const load = async (keys: readonly number[]) => {
      given.push(requestContext.getStore()?.signal)
      return [...keys]
    }
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const callers = [new AbortController(), new AbortController()]
    const from = (signal?: AbortSignal) =>
      requestContext.run({ requestId: 'a', ...(signal && { signal }) }, () => find(1))
    await Promise.all(callers.map(({ signal }) => from(signal)))
    await Promise.all([from(callers[0]?.signal), from()])
    callers[0]?.abort()
    assert.equal(given[0]?.aborted, false)
    callers[1]?.abort(new Error('gone'))
    assert.equal(given[0]?.aborted, true)
    assert.equal(given[0]?.reason.message, 'gone')
    assert.equal(given[1], undefined, 'who cannot tell waits for ever')
  })

  it('are loaded in the context of the first of them', async () => {
    const load = async (keys: readonly number[]) => keys.map(() => requestContext.getStore()?.requestId)
    const find = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const from = (requestId: string) => requestContext.run({ requestId }, () => find(1))
    assert.deepEqual(await Promise.all([from('a'), from('b')]), ['a', 'a'])
    assert.equal(await from('c'), 'c')
  })
})
