import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sharedDeadlines } from '../src/shared-deadlines.ts'

const block = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('shared deadlines', () => {
  it('expire in their order, each not before its time, unless they end before', async () => {
    const deadlines = sharedDeadlines(30)
    const expired: string[] = []
    const start = (name: string) => deadlines.start(() => expired.push(name))
    start('first')
    const ended = start('ended')
    await delay(20)
    start('later')
    deadlines.end(ended)
    assert.deepEqual(expired, [])
    // Only the order is certain: a busy machine fires timers late.
    while (expired.length < 2) await delay(1)
    assert.deepEqual(expired, ['first', 'later'])
    start('again')
    while (expired.length < 3) await delay(1)
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
