import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'
import { createBreaker } from '../../src/resilience/breaker.ts'

const createTestBreaker = () => createBreaker({ failures: 3, retryAfterMs: 100, message: 'down for now' })

const failWith = (code: ErrorKind) => () => Promise.reject(new AppError(code, 'refused'))

/** Makes `times` calls that fail with `code`. Checks that the breaker passes their errors through. */
const failCalls = async (breaker: ReturnType<typeof createBreaker>, code: ErrorKind, times: number) => {
  for (let call = 0; call < times; call += 1)
    await assert.rejects(breaker(failWith(code)), { code, message: 'refused' })
}

/** Replaces the monotonic clock. Returns a function that advances it by `ms`. */
const monotonicClock = ({ mock }: TestContext) => {
  let now = 1_000
  mock.method(performance, 'now', () => now)
  return (ms: number) => {
    now += ms
  }
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

  it('opens after three consecutive unavailable errors, and then rejects calls without making them', async (context) => {
    const advance = monotonicClock(context)
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    advance(99)
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

  it('reports its initial state and every change', async (context) => {
    const advance = monotonicClock(context)
    const states: string[] = []
    const breaker = createBreaker({
      failures: 3,
      retryAfterMs: 100,
      message: 'down for now',
      onState: (state) => states.push(state),
    })
    await failCalls(breaker, 'unavailable', 3)
    advance(100)
    await failCalls(breaker, 'unavailable', 1)
    advance(100)
    await breaker(async () => 'done')
    assert.deepEqual(states, ['closed', 'open', 'half_open', 'open', 'half_open', 'closed'])
  })

  it('makes one trial call after the retry interval; closes if the call succeeds, otherwise opens again', async (context) => {
    const advance = monotonicClock(context)
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    advance(100)
    await failCalls(breaker, 'unavailable', 1)
    await assert.rejects(
      breaker(async () => 'done'),
      errorWhileOpen,
    )
    advance(100)
    assert.equal(await breaker(async () => 'done'), 'done')
    assert.equal(await breaker(async () => 'done'), 'done')
  })
  it('makes its trial call in time although the wall clock has stepped back an hour', async (context) => {
    const advance = monotonicClock(context)
    context.mock.timers.enable({ apis: ['Date'], now: 7_200_000 })
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    context.mock.timers.setTime(3_600_000)
    advance(100)
    assert.equal(await breaker(async () => 'done'), 'done')
  })

  it('rejects other calls at once during the trial call', async (context) => {
    const advance = monotonicClock(context)
    const breaker = createTestBreaker()
    await failCalls(breaker, 'unavailable', 3)
    advance(100)
    const { promise, resolve } = Promise.withResolvers<string>()
    const trial = breaker(() => promise)
    await assert.rejects(
      breaker(async () => 'done'),
      errorWhileOpen,
    )
    resolve('done')
    assert.equal(await trial, 'done')
    assert.equal(await breaker(async () => 'done'), 'done')
  })

  it('ignores the outcome of a call that began before it opened', async (context) => {
    const advance = monotonicClock(context)
    const breaker = createTestBreaker()
    const { promise, resolve } = Promise.withResolvers<string>()
    const slow = breaker(() => promise)
    await failCalls(breaker, 'unavailable', 3)
    resolve('late')
    assert.equal(await slow, 'late')
    await assert.rejects(
      breaker(async () => 'done'),
      errorWhileOpen,
    )
    advance(100)
    assert.equal(await breaker(async () => 'done'), 'done')
  })
})
