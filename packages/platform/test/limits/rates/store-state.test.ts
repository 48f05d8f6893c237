import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { StoreState } from '../../../src/limits/rates/store-state.ts'

/** A store whose answer may be set, and what its watchers hear. Timers are those of the mock. */
const open = () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const clock = { time: 0 }
  const store = { reason: undefined as string | undefined, questions: 0 }
  const events: string[] = []
  const state = new StoreState({
    onAway: (error) => events.push(error instanceof Error ? error.message : ''),
    onReturn: () => events.push('back'),
    now: () => clock.time,
  })
  const ask = async () => {
    store.questions += 1
    if (store.reason !== undefined) throw new Error(store.reason)
  }
  return {
    state,
    store,
    events,
    fail: (reason: string) => {
      store.reason = reason
      state.fail(new Error(reason), ask)
    },
    /** Lets whole seconds pass, in each of which the store may be asked. */
    pass: async (seconds: number) => {
      for (let count = 0; count < seconds; count++) {
        clock.time += 1_000
        mock.timers.tick(1_000)
        await tick()
      }
    },
    [Symbol.dispose]: () => {
      state[Symbol.dispose]()
      mock.timers.reset()
    },
  }
}

describe('the state of the store', () => {
  it('tells a reason once, and another one when the reason changes', async () => {
    using opened = open()
    opened.fail('connection refused')
    opened.fail('connection refused')
    await opened.pass(20)
    assert.deepEqual(opened.events, ['connection refused'])
    opened.store.reason = 'NOPERM'
    await opened.pass(20)
    assert.deepEqual(opened.events, ['connection refused', 'NOPERM'])
    opened.store.reason = undefined
    await opened.pass(1)
    assert.deepEqual(opened.events, ['connection refused', 'NOPERM', 'back'])
    assert.equal(opened.store.questions, 41)
    assert.equal(opened.state.isAway, false)
  })

  it('tells of another reason not before ten seconds have passed', async () => {
    using opened = open()
    opened.fail('NOPERM')
    opened.store.reason = 'too slow'
    await opened.pass(5)
    opened.store.reason = 'NOPERM'
    await opened.pass(20)
    assert.deepEqual(opened.events, ['NOPERM'])
  })

  it('tells of a store that comes and goes five times, then once in ten seconds, and of an outage that lasts', async () => {
    using opened = open()
    for (let second = 0; second < 100; second++) {
      opened.fail(second % 2 === 0 ? 'too slow' : 'connection lost')
      assert.equal(opened.state.isAway, true)
      opened.store.reason = undefined
      await opened.pass(1)
      assert.equal(opened.state.isAway, false)
    }
    assert.ok(opened.events.length >= 20 && opened.events.length <= 30, opened.events.join())
    // Each return that is told belongs to a reason.
    assert.ok(opened.events.every((event, index) => (event === 'back') === (index % 2 === 1)))
    const { length } = opened.events
    opened.fail('connection refused')
    await opened.pass(12)
    assert.deepEqual(opened.events.slice(length), ['connection refused'])
  })

  it('asks and tells nothing after it is disposed of', async () => {
    using opened = open()
    opened.fail('connection refused')
    opened.state[Symbol.dispose]()
    opened.fail('NOPERM')
    await opened.pass(20)
    assert.deepEqual([opened.events, opened.store.questions], [['connection refused'], 0])
  })
})
