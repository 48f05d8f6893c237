import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from '../../src/resilience/deadline.ts'
import { stall } from '../support/stall.ts'

const never = new Promise<never>(() => {})

const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length

describe('withDeadline', () => {
  it('settles like the operation when it finishes in time', async () => {
    assert.equal(await withDeadline(1_000, 'too slow', delay(5, 'done')), 'done')
    const bug = new Error('bug')
    await assert.rejects(withDeadline(1_000, 'too slow', Promise.reject(bug)), bug)
  })

  it('rejects with unavailable and the message when the time is up', async () => {
    const started = performance.now()
    await assert.rejects(withDeadline(30, 'too slow', never), { code: 'unavailable', message: 'too slow' })
    const waited = performance.now() - started
    assert.ok(waited > 25, `waited ${waited} ms`)
  })

  it('does not time out because the event loop was blocked', async () => {
    const operation = new Promise((resolve) => setImmediate(() => setImmediate(resolve, 'done')))
    const result = withDeadline(20, 'too slow', operation)
    stall(200)
    assert.equal(await result, 'done')
  })

  it('ignores a failure of the operation after the deadline', async () => {
    const lateFailure = delay(20).then(() => Promise.reject(new Error('late')))
    await assert.rejects(withDeadline(1, 'too slow', lateFailure), { code: 'unavailable' })
    await delay(40)
  })

  it('leaves no timer behind', async () => {
    const before = timers()
    await withDeadline(60_000, 'too slow', Promise.resolve())
    await assert.rejects(withDeadline(60_000, 'too slow', Promise.reject(new Error('bug'))))
    assert.equal(timers(), before)
  })
})
