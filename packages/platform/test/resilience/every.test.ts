import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { every, pause } from '../../src/resilience/every.ts'

describe('every', () => {
  it('does the work until the signal aborts, one round at a time', async () => {
    const stopping = new AbortController()
    let [running, rounds] = [0, 0]
    const work = async () => {
      assert.equal(++running, 1)
      await new Promise(setImmediate)
      running -= 1
      if (++rounds === 5) stopping.abort()
    }
    await every(1, work, stopping.signal)
    assert.equal(rounds, 5)
  })

  it('does not begin when the signal has aborted already', () =>
    every(1, () => assert.fail('it has begun'), AbortSignal.abort()))

  it('ends a pause when the signal aborts, and waits for the round under way', async () => {
    const stopping = new AbortController()
    const { promise, resolve } = Promise.withResolvers<void>()
    let over = false
    const run = async () => {
      await every(3_600_000, () => promise, stopping.signal)
      over = true
    }
    const stopped = run()
    stopping.abort()
    await new Promise(setImmediate)
    assert.equal(over, false)
    resolve()
    await stopped
  })

  it('rejects with what the work rejects with', async () => {
    const failing = every(1, () => Promise.reject(new Error('broken')), new AbortController().signal)
    await assert.rejects(failing, { message: 'broken' })
  })
})

it('a pause ends without an error when its signal aborts', async () => {
  const stopping = new AbortController()
  const paused = pause(3_600_000, stopping.signal)
  stopping.abort()
  await paused
})
