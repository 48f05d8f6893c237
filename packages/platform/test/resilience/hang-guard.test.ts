import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import type { BreakerState } from '../../src/resilience/breaker.ts'
import { createHangGuard } from '../../src/resilience/hang-guard.ts'

const hangError = { code: 'unavailable', message: 'it hangs' }

/** A guard in front of a server that responds to pings, unless `state.responds` is false. */
const openGuard = (context: TestContext) => {
  const state = { responds: true, pings: 0 }
  const states: BreakerState[] = []
  const stop = new AbortController()
  context.after(() => stop.abort())
  const guard = createHangGuard({
    overdueMs: 50,
    pingPauseMs: 20,
    ping: async () => {
      state.pings += 1
      await delay(10)
      if (!state.responds) throw new Error('no response')
    },
    message: 'it hangs',
    onState: (entered) => states.push(entered),
    signal: stop.signal,
  })
  return { guard, state, states }
}

const never = () => new Promise<never>(() => {})

describe('a hang guard', () => {
  it('passes results and errors through, without a ping', async (context) => {
    const { guard, state, states } = openGuard(context)
    assert.equal(await guard(async () => 'done'), 'done')
    await assert.rejects(
      guard(() => Promise.reject(new TypeError('bug'))),
      TypeError,
    )
    await delay(150)
    assert.equal(state.pings, 0)
    assert.deepEqual(states, ['closed'])
  })

  it('rejects the calls in progress when the server does not respond, and then further calls without making them', async (context) => {
    const { guard, state, states } = openGuard(context)
    state.responds = false
    const calls = await Promise.allSettled([guard(never), guard(never)])
    for (const call of calls) {
      assert.equal(call.status, 'rejected')
      assert.ok(call.reason instanceof AppError)
      assert.deepEqual({ code: call.reason.code, message: call.reason.message }, hangError)
    }
    let made = 0
    await assert.rejects(
      guard(async () => (made += 1)),
      hangError,
    )
    assert.equal(made, 0)
    assert.deepEqual(states, ['closed', 'open'])
  })

  it('waits for a slow call while the server responds to pings', async (context) => {
    const { guard, state } = openGuard(context)
    assert.equal(await guard(() => delay(400, 'slow')), 'slow')
    assert.ok(state.pings > 0)
  })

  it('waits for a slow call while other calls receive responses', async (context) => {
    const { guard, state, states } = openGuard(context)
    state.responds = false
    const slow = guard(() => delay(400, 'slow'))
    const others = setInterval(() => void guard(async () => {}).catch(() => {}), 10)
    assert.equal(await slow, 'slow')
    clearInterval(others)
    assert.deepEqual(states, ['closed'])
  })

  it('does not take a failed call for a response', async (context) => {
    const { guard, state } = openGuard(context)
    state.responds = false
    const slow = guard(never)
    const failing = setInterval(() => {
      void guard(() => Promise.reject(new AppError('unavailable', 'no connection'))).catch(() => {})
    }, 10)
    await assert.rejects(slow, hangError)
    clearInterval(failing)
  })

  it('makes calls again once the server responds to a ping', async (context) => {
    const { guard, state, states } = openGuard(context)
    state.responds = false
    await assert.rejects(guard(never), hangError)
    state.responds = true
    await eventually(5_000, async () => assert.equal(await guard(async () => 'done'), 'done'))
    assert.deepEqual(states, ['closed', 'open', 'closed'])
  })

  it('makes calls again once a call that it has rejected receives its response', async (context) => {
    const { guard, state, states } = openGuard(context)
    const { promise, resolve } = Promise.withResolvers<void>()
    state.responds = false
    await assert.rejects(
      guard(() => promise),
      hangError,
    )
    resolve()
    await promise
    assert.equal(await guard(async () => 'done'), 'done')
    assert.deepEqual(states, ['closed', 'open', 'closed'])
  })
})
