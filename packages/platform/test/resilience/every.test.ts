import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { every, pause } from '../../src/resilience/every.ts'

describe('every', () => {
  it('repeats the work until the signal aborts, one run at a time', async () => {
    const controller = new AbortController()
    let [running, runs] = [0, 0]
    const work = async () => {
      assert.equal(++running, 1)
      await new Promise(setImmediate)
      running -= 1
      if (++runs === 5) controller.abort()
    }
    await every(1, work, controller.signal)
    assert.equal(runs, 5)
  })

  it('does not start when the signal is already aborted', () =>
    every(1, () => assert.fail('it started'), AbortSignal.abort()))

  it('waits for the current run when the signal aborts, and skips the pause', async () => {
    const controller = new AbortController()
    const { promise, resolve } = Promise.withResolvers<void>()
    let finished = false
    const run = async () => {
      await every(3_600_000, () => promise, controller.signal)
      finished = true
    }
    const stopped = run()
    controller.abort()
    await new Promise(setImmediate)
    assert.equal(finished, false)
    resolve()
    await stopped
  })

  it('rejects with the error of the work', async () => {
    const failing = every(1, () => Promise.reject(new Error('broken')), new AbortController().signal)
    await assert.rejects(failing, { message: 'broken' })
  })
})

it('a pause ends without an error when its signal aborts', async () => {
  const controller = new AbortController()
  const paused = pause(3_600_000, controller.signal)
  controller.abort()
  await paused
})
