import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { requestContext } from '@shop/platform/request-context.ts'
import { sharedDeadlines } from '../src/shared-deadlines.ts'

const block = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('shared deadlines', () => {
  it('expire in their order, each not before its time, unless they end before', async () => {
    const ms = 30
    const deadlines = sharedDeadlines(ms)
    const expired: string[] = []
    const start = (name: string) => {
      const due = performance.now() + ms
      return deadlines.start(() => {
        expired.push(name)
        // A timer may fire up to a millisecond early.
        assert.ok(performance.now() >= due - 1, `${name} expired early`)
      })
    }
    start('first')
    deadlines.end(start('ended'))
    await delay(1)
    start('later')
    while (expired.length < 2) await delay(1)
    assert.deepEqual(expired, ['first', 'later'])
    start('again')
    while (expired.length < 3) await delay(1)
    assert.deepEqual(expired, ['first', 'later', 'again'])
  })

  it('expire outside of every request', async () => {
    const deadlines = sharedDeadlines(10)
    const requests: unknown[] = []
    const start = () => deadlines.start(() => requests.push(requestContext.getStore()))
    requestContext.run({ requestId: 'req-1' }, start)
    await delay(5)
    requestContext.run({ requestId: 'req-2' }, start)
    while (requests.length < 2) await delay(1)
    assert.deepEqual(requests, [undefined, undefined])
  })

  it('are extended once if the event loop was blocked when they passed', async () => {
    const deadlines = sharedDeadlines(30)
    const expired: string[] = []
    const started = performance.now()
    deadlines.start(() => expired.push('unanswered'))
    const answered = deadlines.start(() => expired.push('answered'))
    block(120)
    // A response that is in the socket is read in the turn of the event loop in which the timer fires.
    await new Promise(setImmediate)
    assert.deepEqual(expired, [])
    deadlines.end(answered)
    while (expired.length === 0) await delay(1)
    assert.ok(performance.now() - started >= 149)
    assert.deepEqual(expired, ['unanswered'])
  })
})
