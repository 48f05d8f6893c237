import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createFailureLog } from '../../src/logging/failure-log.ts'
import { requestContext } from '../../src/request-context.ts'

const refused = (milliseconds: number) =>
  new AppError('unavailable', 'the database is unavailable', {
    cause: new Error(`no response after ${milliseconds} ms`),
  })

const createTestLog = () => {
  const { logger, lines } = recordingLogger()
  const failures = createFailureLog(logger, 'request failed')
  const record = (error: unknown) => failures.record(error, { route: '/things' })
  /** The message, cause and count of each line so far, which are then forgotten. */
  const takeLines = () => lines.splice(0).map(({ msg, cause, count }) => [msg, cause, count])
  return { ...failures, record, lines, takeLines }
}

describe('the log of failures', () => {
  it('never contains the members of a thrown object, because the cause is not redacted', () => {
    const log = createTestLog()
    const cause = log.record({ password: 'hunter2' })
    assert.equal(cause, 'a thrown object')
    assert.equal(log.record({ cause: { password: 'hunter2' } }), 'a thrown object')
    assert.doesNotMatch(log.record(new Error('failed', { cause: { password: 'hunter2' } })), /hunter2/)
    log.close()
  })

  it('has the stack and the fields of the first failure, and then one line every ten seconds with the count', ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['setInterval'] })
    const log = createTestLog()
    for (let ms = 400; ms < 1_400; ms += 1)
      assert.equal(log.record(refused(ms)), `the database is unavailable: no response after ${ms} ms`)
    assert.equal(log.lines.length, 1)
    assert.equal(log.lines[0]?.['route'], '/things')
    assert.match(JSON.stringify(log.lines[0]), /AppError.*refused.*failure-log\.test\.ts/)
    const cause = 'the database is unavailable: no response after 400 ms'
    assert.deepEqual(log.takeLines(), [['request failed', cause, undefined]])

    mock.timers.tick(10_000)
    assert.deepEqual(log.takeLines(), [['request failed repeatedly', cause, 999]])
    log.record(refused(400))
    mock.timers.tick(10_000)
    assert.deepEqual(log.takeLines(), [['request failed repeatedly', cause, 1]])
  })

  it('counts repetitions under no request id, because they belong to many requests', ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] })
    const { logger } = recordingLogger()
    const ids: unknown[] = []
    const failures = createFailureLog(logger, 'request failed')
    mock.method(logger, 'error', () => ids.push(requestContext.getStore()?.requestId))
    requestContext.run({ requestId: 'first' }, () => {
      failures.record(refused(400))
      failures.record(refused(400))
      mock.timers.tick(10_000)
    })
    assert.deepEqual(ids, ['first', undefined])
    failures.close()
  })

  it('has the stack again after an interval without the failure', ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] })
    const log = createTestLog()
    log.record(refused(400))
    mock.timers.tick(10_000)
    log.record(refused(400))
    assert.deepEqual(
      log.lines.map(({ err }) => err !== undefined),
      [true, true],
    )
    log.close()
  })

  it('has the stack of every bug, even if they have the same message', () => {
    const log = createTestLog()
    log.record(new TypeError('x is undefined'))
    log.record(new TypeError('x is undefined'))
    log.record('a string')
    log.record(undefined)
    assert.deepEqual(log.takeLines(), [
      ['request failed', 'x is undefined', undefined],
      ['request failed', 'x is undefined', undefined],
      ['request failed', "'a string'", undefined],
      ['request failed', 'undefined', undefined],
    ])
    log.close()
  })

  it('reports the failures counted so far when it is closed', () => {
    const log = createTestLog()
    for (let time = 0; time < 3; time += 1) log.record(refused(400))
    log.close()
    assert.deepEqual(log.takeLines().at(-1), [
      'request failed repeatedly',
      'the database is unavailable: no response after 400 ms',
      2,
    ])
  })

  it('has a level, and runs a timer only while there are failures', ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] })
    const { logger, lines } = recordingLogger()
    const failures = createFailureLog(logger, 'connection lost', { level: 'warn' })
    const start = mock.method(globalThis, 'setInterval')
    const stop = mock.method(globalThis, 'clearInterval')
    const timers = () => [start.mock.callCount(), stop.mock.callCount()]
    for (let outage = 1; outage <= 2; outage += 1) {
      for (let time = 0; time < 3; time += 1) failures.record(refused(400))
      assert.deepEqual(timers(), [outage, outage - 1])
      for (let interval = 0; interval < 2; interval += 1) mock.timers.tick(10_000)
      assert.deepEqual(timers(), [outage, outage])
    }
    assert.deepEqual(
      lines.map(({ level, msg, count }) => [level, msg, count]),
      [1, 2].flatMap(() => [
        [40, 'connection lost', undefined],
        [40, 'connection lost repeatedly', 2],
      ]),
    )
  })

  it('stays small when every failure has another cause', () => {
    const log = createTestLog()
    const nameOf = (index: number) => String.fromCodePoint(0x4e00 + index)
    for (let index = 0; index < 1_000; index += 1) log.record(new Error(nameOf(index)))
    assert.equal(log.takeLines().length, 101)
    log.close()
    assert.deepEqual(log.takeLines(), [['request failed repeatedly', 'other causes', 899]])
  })

  it('takes the code of an error without a message, and ends a circle of causes', () => {
    const log = createTestLog()
    const unreachable = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' })
    assert.equal(
      log.record(new Error('no connection', { cause: unreachable })),
      'no connection: ECONNREFUSED',
    )
    const circle = new Error('a')
    circle.cause = circle
    assert.equal(log.record(circle), 'a')
    log.close()
  })
})
