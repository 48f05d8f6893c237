import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { batchByKey } from '../../src/limits/batches/batch-by-key.ts'
import { requestContext } from '../../src/request-context.ts'
import { inSpan } from '../../src/tracing/api.ts'

describe('concurrent calls', () => {
  it('share one load of distinct keys, and each call gets its own value', async () => {
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      return keys.map((key) => key * 2)
    }
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    assert.deepEqual(await Promise.all([1, 2, 2, 3, 1].map(find)), [2, 4, 4, 6, 2])
    assert.deepEqual(loads, [[1, 2, 3]])
  })

  it('fail individually when their key fails, and together when the load fails', async () => {
    const load = async (keys: readonly number[]) => {
      if (keys.includes(0)) throw new Error('all')
      return keys.map((key) => (key < 0 ? new Error('one') : key))
    }
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const [one, other] = await Promise.allSettled([find(-1), find(1)])
    assert.deepEqual([one.status, other], ['rejected', { status: 'fulfilled', value: 1 }])
    const both = await Promise.allSettled([find(0), find(1)])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(await find(1), 1)
  })

  it('are loaded in the trace of the first request, to which the spans of the other requests link', async () => {
    const load = (keys: readonly number[]) => inSpan('load', async () => [...keys])
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const spans = await spansOf(() =>
      Promise.all([1, 2, 2].map((key, index) => inRequest(`request ${index}`, () => find(key)))),
    )
    const firstSpan = spans.find(({ name }) => name === 'request 0')
    assert.equal(treeOf(spans, firstSpan?.id ?? ''), 'test-service internal load\n')
    const linksByName = Object.fromEntries(spans.map(({ name, links }) => [name, links]))
    const first = [firstSpan?.id]
    assert.deepEqual(linksByName, { load: [], 'request 0': [], 'request 1': first, 'request 2': first })
  })

  it('are loaded at once after a call that was alone, and share loads again as soon as there are several', async () => {
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      return [...keys]
    }
    const { find } = batchByKey({ load, slots: 2, maxBatchSize: 100 })
    await find(1)
    const alone = find(2)
    assert.deepEqual(loads, [[1], [2]])
    await Promise.all([alone, find(3), find(4)])
    await Promise.all([5, 6].map(find))
    assert.deepEqual(loads, [[1], [2], [3, 4], [5, 6]])
  })

  it('wait for a free slot, and then share batches of limited size', async () => {
    const pending: (() => void)[] = []
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      await new Promise<void>((resolve) => pending.push(resolve))
      return [...keys]
    }
    const { find } = batchByKey({ load, slots: 2, maxBatchSize: 3 })
    const calls: Promise<number>[] = []
    for (const key of [1, 2, 3, 4, 5, 6, 7]) {
      calls.push(find(key))
      await tick()
      await tick()
    }
    assert.deepEqual(loads, [[1], [2]])
    while (loads.flat().length < 7) {
      pending.shift()?.()
      await tick()
      await tick()
    }
    for (const finish of pending) finish()
    assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(loads, [[1], [2], [3, 4, 5], [6, 7]])
  })

  it('never use more than the available slots, even when they fill several batches at once', async () => {
    let running = 0
    let maxRunning = 0
    const load = async (keys: readonly number[]) => {
      running += 1
      maxRunning = Math.max(maxRunning, running)
      await tick()
      running -= 1
      return [...keys]
    }
    const { find } = batchByKey({ load, slots: 2, maxBatchSize: 2 })
    const keys = Array.from({ length: 20 }, (_, index) => index)
    assert.deepEqual(await Promise.all(keys.map(find)), keys)
    assert.equal(maxRunning, 2)
  })

  it('see everything that was written before them', async () => {
    let stored = 0
    // Reads the value when the load starts and returns it later, as a database does.
    const load = async (keys: readonly string[]) => {
      const values = keys.map(() => stored)
      await tick()
      return values
    }
    const { find } = batchByKey({ load, slots: 2, maxBatchSize: 100 })
    const backgroundCalls = setInterval(() => void find('key'), 0)
    for (let written = 1; written <= 2_000; written++) {
      void find('key')
      stored = written
      assert.ok((await find('key')) >= written)
    }
    clearInterval(backgroundCalls)
  })

  it('for several keys are never split, and take calls for one key into their load only if all fits', async () => {
    const pending: (() => void)[] = []
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      await new Promise<void>((resolve) => pending.push(resolve))
      return keys.map((key) => key * 2)
    }
    const { find, findMany } = batchByKey({ load, slots: 1, maxBatchSize: 4 })
    const first = find(1)
    await tick()
    const others = [find(2), findMany([3, 4, 5]), findMany([6, 5]), findMany([1, 2, 3, 4, 5, 6]), find(7)]
    for (let count = 0; count < 5; count++) {
      pending.shift()?.()
      await tick()
      await tick()
    }
    assert.deepEqual(loads, [[1], [3, 4, 5, 2], [7, 6, 5], [1, 2, 3, 4, 5, 6]])
    pending.shift()?.()
    assert.deepEqual(await Promise.all([first, ...others]), [
      2,
      4,
      [6, 8, 10],
      [12, 10],
      [2, 4, 6, 8, 10, 12],
      14,
    ])
  })

  it('for many keys take turns with those for one key, and with those of other clients', async () => {
    const pending: (() => void)[] = []
    const loads: string[] = []
    const load = async (keys: readonly string[]) => {
      loads.push(keys.join(''))
      await new Promise<void>((resolve) => pending.push(resolve))
      return [...keys]
    }
    const { find, findMany } = batchByKey({ load, slots: 1, maxBatchSize: 2 })
    const of = <Result>(client: string, call: () => Result): Result =>
      requestContext.run({ requestId: 'r', client }, call)
    const calls: Promise<unknown>[] = ['ab', 'cd', 'ef', 'gh'].map((keys) =>
      of('one', () => findMany(keys.split(''))),
    )
    await tick()
    calls.push(
      of('other', () => findMany(['i', 'j'])),
      of('one', () => find('k')),
    )
    while (loads.length < 6) {
      pending.shift()?.()
      await tick()
      await tick()
    }
    pending.shift()?.()
    await Promise.all(calls)
    assert.deepEqual(loads, ['ab', 'k', 'cd', 'ij', 'ef', 'gh'])
  })

  it('for several keys are one load, also at once after a call that was alone', async () => {
    const loads: (readonly number[])[] = []
    const load = async (keys: readonly number[]) => {
      loads.push(keys)
      return [...keys]
    }
    const { find, findMany } = batchByKey({ load, slots: 2, maxBatchSize: 100 })
    await find(1)
    const several = findMany([2, 3, 2])
    assert.deepEqual(loads, [[1], [2, 3]])
    assert.deepEqual(await several, [2, 3, 2])
    await Promise.all([findMany([4, 5]), find(4), findMany([6])])
    assert.deepEqual(loads.slice(2), [
      [4, 5],
      [4, 6],
    ])
  })

  it('for several keys fail if one of them fails', async () => {
    const load = async (keys: readonly number[]) => keys.map((key) => (key < 0 ? new Error('one') : key))
    const { find, findMany } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const outcomes = await Promise.allSettled([findMany([1, -1]), findMany([1, 2]), find(3)])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled'],
    )
  })

  it('that have waited for as long as a load that fails fail with it, and later ones do not', async () => {
    const failures: (() => void)[] = []
    const load = async (keys: readonly number[]) => {
      if (keys.includes(0)) await new Promise((_, reject) => failures.push(() => reject(new Error('hung'))))
      return [...keys]
    }
    const { find, findMany } = batchByKey({ load, slots: 1, maxBatchSize: 2, maxWaitMs: 50 })
    const first = Promise.allSettled([find(0)])
    await tick()
    const waiting = Promise.allSettled([findMany([1, 2]), findMany([3, 4]), find(5)])
    await delay(60)
    const later = [findMany([6, 7]), find(8)]
    failures[0]?.()
    assert.equal((await first)[0]?.status, 'rejected')
    assert.deepEqual(
      (await waiting).map((outcome) => outcome.status === 'rejected' && outcome.reason.message),
      ['hung', 'hung', 'hung'],
    )
    assert.deepEqual(await Promise.all(later), [[6, 7], 8])
  })

  it('can load undefined as a value', async () => {
    const load = async (keys: readonly number[]) => keys.map((key) => (key === 1 ? 'one' : undefined))
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    assert.deepEqual(await Promise.all([find(1), find(2)]), ['one', undefined])
  })

  it('are aborted when all callers have aborted, but not before', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const ends: (() => void)[] = []
    const load = async (keys: readonly number[]) => {
      signals.push(requestContext.getStore()?.signal)
      await new Promise<void>((resolve) => ends.push(resolve))
      return [...keys]
    }
    const { find } = batchByKey({ load, slots: 2, maxBatchSize: 100 })
    const callers = [new AbortController(), new AbortController()]
    const from = (signal?: AbortSignal) =>
      requestContext.run({ requestId: 'a', ...(signal && { signal }) }, () => find(1))
    const first = callers.map(({ signal }) => from(signal))
    await tick()
    const second = [from(callers[0]?.signal), from()]
    await tick()
    callers[0]?.abort()
    assert.equal(signals[0]?.aborted, false)
    callers[1]?.abort(new Error('gone'))
    assert.equal(signals[0]?.aborted, true)
    assert.equal(signals[0]?.reason.message, 'gone')
    assert.equal(signals.length, 2)
    assert.ok(!signals[1]?.aborted, 'a caller without a signal waits until the end')
    for (const end of ends) end()
    await Promise.all([...first, ...second])
  })

  it('are loaded in the request context of the first call', async () => {
    const load = async (keys: readonly number[]) => keys.map(() => requestContext.getStore()?.requestId)
    const { find } = batchByKey({ load, slots: 1, maxBatchSize: 100 })
    const from = (requestId: string) => requestContext.run({ requestId }, () => find(1))
    assert.deepEqual(await Promise.all([from('a'), from('b')]), ['a', 'a'])
    assert.equal(await from('c'), 'c')
  })
})
