import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'
import { createBreaker } from '../../src/resilience/breaker.ts'

const createTestBreaker = () => createBreaker({ failures: 3, retryAfterMs: 100, message: 'down for now' })

const failWith = (code: ErrorKind) => () => Promise.reject(new AppError(code, 'refused'))

/** Makes `times` calls that fail with `code`. Checks that the breaker passes their errors through. */
const failCalls = async (breaker: ReturnType<typeof createBreaker>, code: ErrorKind, times: number) => {
  for (let call = 0; call < times; call += 1)
    await assert.rejects(breaker(failWith(code)), { code, message: 'refused' })
}

const errorWhileOpen = { code: 'unavailable', message: 'down for now' }

describe('a breaker', () => {
  it('passes results and errors through', async () => {
    const breaker = createTestBreaker()
    assert.equal(await breaker(async () => 'done'), 'done')
    await failCalls(breaker, 'not_found', 1)
    await assert.rejects(
      breaker(() => Promise.reject(new TypeError('bug'))),
      TypeError,
    )
  })

  it('opens after three consecutive unavailable errors, and then rejects calls without making them', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    mock.timers.tick(99)
    let calls = 0
    await assert.rejects(
      breaker(async () => (calls += 1)),
      errorWhileOpen,
    )
    assert.equal(calls, 0)
  })

  it('does not open when a success or another error comes in between', async () => {
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 2)
    await failCalls(breaker, 'not_found', 1)
    await failCalls(breaker, 'unavailable', 2)
    await breaker(async () => 'done')
    await failCalls(breaker, 'unavailable', 2)
    assert.equal(await breaker(async () => 'done'), 'done')
  })

  it('does not open for errors other than unavailable', async () => {
    const breaker = createTestBreaker()
    await failCalls(breaker, 'not_found', 5)
    await failCalls(breaker, 'internal', 5)
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
    await failCalls(breaker, 'unavailable', 3)
    mock.timers.tick(100)
    await failCalls(breaker, 'unavailable', 1)
    mock.timers.tick(100)
    await breaker(async () => 'done')
    assert.deepEqual(states, ['closed', 'open', 'half_open', 'open', 'half_open', 'closed'])
  })

  it('makes one trial call after the retry interval; closes if the call succeeds, otherwise opens again', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['Date'] })
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    mock.timers.tick(100)
    await failCalls(breaker, 'unavailable', 1)
    await assert.rejects(
      breaker(async () => 'done'),
      errorWhileOpen,
    )
    mock.timers.tick(100)
    assert.equal(await breaker(async () => 'done'), 'done')
    assert.equal(await breaker(async () => 'done'), 'done')
  })
})
