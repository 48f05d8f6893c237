import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'
import { createBreaker } from '../../src/resilience/breaker.ts'

const createTestBreaker = () => createBreaker({ failures: 3, retryAfterMs: 100, message: 'down for now' })

const failing = (code: ErrorKind) => () => Promise.reject(new AppError(code, 'refused'))

/** Makes this many calls that fail with the code, and checks that the breaker passes their errors through. */
const fail = async (breaker: ReturnType<typeof createBreaker>, code: ErrorKind, times: number) => {
  for (let call = 0; call < times; call += 1)
    await assert.rejects(breaker(failing(code)), { code, message: 'refused' })
}

const isOpen = { code: 'unavailable', message: 'down for now' }

describe('a breaker', () => {
  it('passes results and errors through', async () => {
    const breaker = createTestBreaker()
    assert.equal(await breaker(async () => 'done'), 'done')
    await fail(breaker, 'not_found', 1)
    await assert.rejects(
      breaker(() => Promise.reject(new TypeError('bug'))),
      TypeError,
    )
  })

  it('opens after three consecutive unavailable errors, and then makes no calls for a while', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const breaker = createTestBreaker()
    await fail(breaker, 'unavailable', 3)
    mock.timers.tick(99)
    let calls = 0
    await assert.rejects(
      breaker(async () => (calls += 1)),
      isOpen,
    )
    assert.equal(calls, 0)
  })

  it('does not open when a success or another error comes in between', async () => {
    const breaker = createTestBreaker()
    await fail(breaker, 'unavailable', 2)
    await fail(breaker, 'not_found', 1)
    await fail(breaker, 'unavailable', 2)
    await breaker(async () => 'done')
    await fail(breaker, 'unavailable', 2)
    assert.equal(await breaker(async () => 'done'), 'done')
  })

  it('does not open for errors other than unavailable', async () => {
    const breaker = createTestBreaker()
    await fail(breaker, 'not_found', 5)
    await fail(breaker, 'internal', 5)
    assert.equal(await breaker(async () => 'done'), 'done')
  })

  it('reports its initial state and every change', async ({ mock }) => {
    mock.timers.enable({ apis: ['Date'] })
    const states: string[] = []
    const breaker = createBreaker({
      failures: 3,
      retryAfterMs: 100,
      message: 'down for now',
      onState: (state) => states.push(state),
    })
    await fail(breaker, 'unavailable', 3)
    mock.timers.tick(100)
    await fail(breaker, 'unavailable', 1)
    mock.timers.tick(100)
    await breaker(async () => 'done')
    assert.deepEqual(states, ['closed', 'open', 'half_open', 'open', 'half_open', 'closed'])
  })

  it('lets one trial call through after a while, and closes if it succeeds or stays open otherwise', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const breaker = createTestBreaker()
    await fail(breaker, 'unavailable', 3)
    mock.timers.tick(100)
    await fail(breaker, 'unavailable', 1)
    await assert.rejects(
      breaker(async () => 'done'),
      isOpen,
    )
    mock.timers.tick(100)
    assert.equal(await breaker(async () => 'done'), 'done')
    assert.equal(await breaker(async () => 'done'), 'done')
  })
})
