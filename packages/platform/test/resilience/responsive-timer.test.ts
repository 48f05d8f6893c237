import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { afterResponsiveTime } from '../../src/resilience/responsive-timer.ts'

/** Stalls the event loop, as work of the process itself or a lack of CPU time does. */
const stall = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

const startTimer = (ms: number) => {
  const state = { expired: false }
  const timer = afterResponsiveTime(ms, () => {
    state.expired = true
  })
  return { state, timer }
}

describe('a timer of responsive time', () => {
  it('does not count a stall of the process, and expires afterwards', async () => {
    const { state } = startTimer(400)
    stall(600)
    await delay(0)
    assert.equal(state.expired, false)
    await eventually(20_000, async () => assert.ok(state.expired))
  })

  it('expires after twice its time at the latest', async () => {
    const { state } = startTimer(100)
    stall(250)
    await delay(1)
    await eventually(20_000, async () => assert.ok(state.expired))
  })

  it('does not expire once it is disposed of', async () => {
    const { state, timer } = startTimer(1)
    timer[Symbol.dispose]()
    await delay(50)
    assert.equal(state.expired, false)
  })
})
