import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { afterResponsiveTime } from '../../src/resilience/responsive-timer.ts'

/** Starts a timer of 100 ms on a clock that only `pass` moves on: the timer sees it once, after that many milliseconds. */
const startTimer = ({ mock }: TestContext) => {
  let now = 1_000
  let expirations = 0
  mock.method(performance, 'now', () => now)
  mock.timers.enable({ apis: ['setTimeout'] })
  const timer = afterResponsiveTime(100, () => (expirations += 1))
  const pass = (ms: number) => {
    now += ms
    mock.timers.tick(20)
    return expirations
  }
  return { timer, pass }
}

describe('a timer of responsive time', () => {
  it('expires once, after its time', (test) => {
    const { pass } = startTimer(test)
    assert.deepEqual([20, 20, 20, 20, 20, 20].map(pass), [0, 0, 0, 0, 1, 1])
  })

  it('counts 30 ms of a stall', (test) => {
    const { pass } = startTimer(test)
    assert.deepEqual([90, 20, 20, 20, 20].map(pass), [0, 0, 0, 0, 1])
  })

  it('expires after twice its time at the latest', (test) => {
    const { pass } = startTimer(test)
    assert.deepEqual([90, 90, 20].map(pass), [0, 0, 1])
  })

  it('does not expire once it is disposed of', (test) => {
    const { timer, pass } = startTimer(test)
    pass(20)
    timer[Symbol.dispose]()
    assert.deepEqual([20, 20, 20, 20, 200].map(pass), [0, 0, 0, 0, 0])
  })
})
