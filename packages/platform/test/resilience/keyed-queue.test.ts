import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { coded } from '@shop/testing/asserts/coded.ts'
import * as fc from 'fast-check'
import { keyedQueue } from '../../src/resilience/keyed-queue.ts'

const forEver = () => new Promise<never>(() => {})

test('the tasks of a key run one after the other, in the order in which they came', async () => {
  const tasks = fc.array(
    fc.record({ key: fc.constantFrom('a', 'b', 'c'), turns: fc.nat(3), fails: fc.boolean() }),
  )
  await fc.assert(
    fc.asyncProperty(tasks, async (given) => {
      const enqueue = keyedQueue(1_000, 'too many are waiting')
      const running = new Map<string, number>()
      const begun = new Map<string, number[]>()
      const results = given.map(({ key, turns, fails }, index) =>
        enqueue(key, async () => {
          assert.equal(running.has(key), false)
          running.set(key, index)
          begun.set(key, [...(begun.get(key) ?? []), index])
          for (let left = turns; left > 0; left--) await turn()
          running.delete(key)
          if (fails) throw new Error(`task ${index} failed`)
          return index
        }),
      )
      const outcomes = await Promise.allSettled(results)
      for (const [index, outcome] of outcomes.entries()) {
        if (given[index]?.fails === true) {
          assert.equal(outcome.status, 'rejected')
          assert.equal(outcome.reason.message, `task ${index} failed`)
        } else assert.deepEqual(outcome, { status: 'fulfilled', value: index })
      }
      for (const [key, order] of begun)
        assert.deepEqual(
          order,
          [...given.keys()].filter((index) => given[index]?.key === key),
        )
    }),
  )
})

test('a task does not wait for those of other keys', async () => {
  const enqueue = keyedQueue(10, 'too many are waiting')
  void enqueue('stuck', forEver)
  assert.equal(await enqueue('free', async () => 'done'), 'done')
})

test('a task that fails passes its error to its caller alone, and the next one runs', async () => {
  const enqueue = keyedQueue(10, 'too many are waiting')
  const failing = enqueue('key', () => Promise.reject(new Error('this one')))
  const next = enqueue('key', async () => 'done')
  await assert.rejects(failing, /^Error: this one$/)
  assert.equal(await next, 'done')
})

test('a task that throws at once is a failing task', async () => {
  const enqueue = keyedQueue(10, 'too many are waiting')
  const failing = enqueue('key', () => {
    throw new Error('at once')
  })
  await assert.rejects(failing, /^Error: at once$/)
  assert.equal(await enqueue('key', async () => 'done'), 'done')
})

test('when as many as the limit are there, one more of the key is unavailable without running', async () => {
  const enqueue = keyedQueue(3, 'too many are waiting')
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const accepted = [1, 2, 3].map((name) => enqueue('key', () => released.then(() => name)))
  let ran = false
  const oneTooMany = enqueue('key', async () => {
    ran = true
  })
  await assert.rejects(oneTooMany, coded('unavailable'))
  assert.equal(await enqueue('another', async () => 'done'), 'done')
  release()
  assert.deepEqual(await Promise.all(accepted), [1, 2, 3])
  assert.equal(await enqueue('key', async () => 'room again'), 'room again')
  assert.equal(ran, false)
})

test('nothing is kept of a key whose tasks are done', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const heapSize = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const enqueue = keyedQueue(10, 'too many are waiting')
  const before = heapSize()
  for (let number = 0; number < 2_000; number++)
    await enqueue(`${number}`.padEnd(10_000, '.'), () =>
      number % 2 === 0 ? turn() : Promise.reject(new Error()),
    ).catch(() => {})
  const grown = heapSize() - before
  assert.ok(grown < 5_000_000, `2,000 keys of 10 kB left ${grown} bytes behind`)
  await enqueue('still in use', turn)
})
