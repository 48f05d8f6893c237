import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LeftOut, refusalSamples } from '../../src/audit/refusal-samples.ts'

const times = (count: number, admits: () => boolean): number =>
  Array.from({ length: count }, admits).filter(Boolean).length

test('of each caller, the first hundred refusals in a minute are written', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const reported: LeftOut[] = []
  const { admits } = refusalSamples({ report: (leftOut) => reported.push({ ...leftOut }), now: () => now })
  assert.equal(
    times(130, () => admits('user ann', 'getBasket', 'refused')),
    100,
  )
  // The flood of one hides nothing of another, nor of another outcome.
  assert.equal(
    times(3, () => admits('user ben', 'getBasket', 'refused')),
    3,
  )
  assert.equal(
    times(3, () => admits('user ann', 'addItem', 'failed')),
    3,
  )
  assert.equal(
    times(7, () => admits('user ann', 'addItem', 'refused')),
    0,
  )
  assert.deepEqual(reported, [])
  t.mock.timers.tick(60_000)
  assert.deepEqual(reported.splice(0), [
    { useCase: 'getBasket', outcome: 'refused', count: 30 },
    { useCase: 'addItem', outcome: 'refused', count: 7 },
  ])
  now = 59_999
  assert.equal(
    times(3, () => admits('user ann', 'getBasket', 'refused')),
    0,
  )
  now = 60_000
  assert.equal(
    times(150, () => admits('user ann', 'getBasket', 'refused')),
    100,
  )
  t.mock.timers.tick(60_000)
  assert.deepEqual(reported, [{ useCase: 'getBasket', outcome: 'refused', count: 53 }])
})

test('what was left out is reported at the end', () => {
  const reported: LeftOut[] = []
  const { admits, close } = refusalSamples({ report: (leftOut) => reported.push(leftOut), now: () => 0 })
  times(101, () => admits('anonymous', 'addItem', 'refused'))
  close()
  assert.deepEqual(reported, [{ useCase: 'addItem', outcome: 'refused', count: 1 }])
})
