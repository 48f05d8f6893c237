import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import * as fc from 'fast-check'
import { keyedBulkhead } from '../../src/limits/keyed-bulkhead.ts'
import { countedRefusals } from '../../src/limits/refusals.ts'

const create = (maxWaiting: number) =>
  keyedBulkhead({
    maxWaiting,
    maxWaitingPerClient: maxWaiting,
    maxWaitMs: 60_000,
    refuse: countedRefusals('tasks', 'tasks', undefined),
  })

test('the tasks of a key run one at a time, in order of arrival', async () => {
  const taskLists = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c'), ticks: fc.nat(3), fails: fc.boolean() }),
  )
  await fc.assert(
    fc.asyncProperty(taskLists, async (tasks) => {
      const run = create(1_000)
      const running = new Map<string, number>()
      const started = new Map<string, number[]>()
      const results = tasks.map(({ key, ticks, fails }, index) =>
        run(key, async () => {
          assert.equal(running.has(key), false)
          running.set(key, index)
          started.set(key, [...(started.get(key) ?? []), index])
          for (let left = ticks; left > 0; left--) await tick()
          running.delete(key)
          if (fails) throw new Error(`task ${index} failed`)
          return index
        }),
      )
      const outcomes = await Promise.allSettled(results)
      for (const [index, outcome] of outcomes.entries()) {
        if (tasks[index]?.fails === true) {
          assert.equal(outcome.status, 'rejected')
          assert.equal(outcome.reason.message, `task ${index} failed`)
        } else assert.deepEqual(outcome, { status: 'fulfilled', value: index })
      }
      for (const [key, order] of started)
        assert.deepEqual(
          order,
          [...tasks.keys()].filter((index) => tasks[index]?.key === key),
        )
    }),
  )
})

test('a failing task rejects only its own caller, and the next task runs', async () => {
  const run = create(10)
  const failing = run('key', () => Promise.reject(new Error('this one')))
  const next = run('key', async () => 'done')
  await assert.rejects(failing, /^Error: this one$/)
  assert.equal(await next, 'done')
})

test('a task that throws synchronously counts as failed', async () => {
  const run = create(10)
  const failing = run('key', () => {
    throw new Error('synchronous')
  })
  await assert.rejects(failing, /^Error: synchronous$/)
  assert.equal(await run('key', async () => 'done'), 'done')
})

test('a task beyond the limit of its key is rejected as unavailable and never runs', async () => {
  const run = create(2)
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const accepted = [1, 2, 3].map((name) => run('key', () => released.then(() => name)))
  let ran = false
  const oneTooMany = run('key', async () => {
    ran = true
  })
  await assert.rejects(oneTooMany, hasCode('unavailable'))
  assert.equal(await run('another', async () => 'done'), 'done')
  release()
  assert.deepEqual(await Promise.all(accepted), [1, 2, 3])
  assert.equal(await run('key', async () => 'room again'), 'room again')
  assert.equal(ran, false)
})

test('a key is released when its tasks are done', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const heapSize = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const run = create(10)
  const before = heapSize()
  for (let number = 0; number < 2_000; number++)
    await run(`${number}`.padEnd(10_000, '.'), () =>
      number % 2 === 0 ? tick() : Promise.reject(new Error()),
    ).catch(() => {})
  const growth = heapSize() - before
  assert.ok(growth < 5_000_000, `2,000 keys of 10 kB left ${growth} bytes behind`)
  await run('still in use', tick)
})
