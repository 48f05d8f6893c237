import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'
import { createBreaker } from '../../src/resilience/breaker.ts'

const breaker = () => createBreaker({ failures: 3, retryAfterMs: 100, message: 'down for now' })

const failing = (code: ErrorKind) => () => Promise.reject(new AppError(code, 'refused'))

/** Makes so many calls that fail with the code; all errors are the calls' own. */
const fail = async (guarded: ReturnType<typeof breaker>, code: ErrorKind, times: number) => {
  for (let call = 0; call < times; call += 1)
    await assert.rejects(guarded(failing(code)), { code, message: 'refused' })
}

const isOpen = { code: 'unavailable', message: 'down for now' }

describe('a breaker', () => {
  it('passes results and errors on', async () => {
    const guarded = breaker()
    assert.equal(await guarded(async () => 'done'), 'done')
    await fail(guarded, 'not_found', 1)
    await assert.rejects(
      guarded(() => Promise.reject(new TypeError('bug'))),
      TypeError,
    )
  })

  it('opens after so many times unavailable in a row, and then calls nobody for a while', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const guarded = breaker()
    await fail(guarded, 'unavailable', 3)
    mock.timers.tick(99)
    let calls = 0
    await assert.rejects(
      guarded(async () => (calls += 1)),
      isOpen,
    )
    assert.equal(calls, 0)
  })

  it('does not open when an answer comes in between, be it an error', async () => {
    const guarded = breaker()
    await fail(guarded, 'unavailable', 2)
    await fail(guarded, 'not_found', 1)
    await fail(guarded, 'unavailable', 2)
    await guarded(async () => 'done')
    await fail(guarded, 'unavailable', 2)
    assert.equal(await guarded(async () => 'done'), 'done')
  })

  it('does not open for what is an answer, or a bug', async () => {
    const guarded = breaker()
    await fail(guarded, 'not_found', 5)
    await fail(guarded, 'internal', 5)
    assert.equal(await guarded(async () => 'done'), 'done')
  })

  it('tells every state that it comes into', async ({ mock }) => {
    mock.timers.enable({ apis: ['Date'] })
    const states: string[] = []
    const guarded = createBreaker({
      failures: 3,
      retryAfterMs: 100,
      message: 'down for now',
      onState: (state) => states.push(state),
    })
    await fail(guarded, 'unavailable', 3)
    mock.timers.tick(100)
    await fail(guarded, 'unavailable', 1)
    mock.timers.tick(100)
    await guarded(async () => 'done')
    assert.deepEqual(states, ['closed', 'open', 'half_open', 'open', 'half_open', 'closed'])
  })

  it('lets one call through to try after a while: it closes when that succeeds, and stays open otherwise', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const guarded = breaker()
    await fail(guarded, 'unavailable', 3)
    mock.timers.tick(100)
    await fail(guarded, 'unavailable', 1)
    await assert.rejects(
      guarded(async () => 'done'),
      isOpen,
    )
    mock.timers.tick(100)
    assert.equal(await guarded(async () => 'done'), 'done')
    assert.equal(await guarded(async () => 'done'), 'done')
  })
})
