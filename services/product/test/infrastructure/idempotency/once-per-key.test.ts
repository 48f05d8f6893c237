import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { type KeyedWrite, writeOnce } from '../../../src/infrastructure/idempotency/once-per-key.ts'
import { callerWith } from '../../support/keys.ts'

const keyTaken = Object.assign(new Error('duplicate key'), { code: '23505', table: 'idempotency_keys' })

/** Performs three writes with the same key, whose attempts fail with these errors. Resolves with their errors and the attempts. */
const failWith = async (...errors: readonly Error[]) => {
  let attempts = 0
  const write: KeyedWrite = {
    idempotency: callerWith('a').idempotency,
    attempt: () => Promise.reject(errors[attempts++] ?? new Error('one attempt too many')),
  }
  const outcomes = await writeOnce([write, write, write])
  return { attempts, errors: outcomes.map((outcome) => 'error' in outcome && outcome.error) }
}

describe('writes with one key that wait for each other', () => {
  it('all fail by an outage after one attempt', async () => {
    for (const error of [
      new Error('connection terminated'),
      new AppError('unavailable', 'busy'),
      new AppError('rate_limited', 'too many'),
    ])
      assert.deepEqual(await failWith(error), { attempts: 1, errors: [error, error, error] })
  })

  it('are each refused for a reason of their own', async () => {
    const errors = [1, 2, 3].map((n) => new AppError('stale', `${n}`))
    assert.deepEqual(await failWith(...errors), { attempts: 3, errors })
  })

  it('are unavailable if another write has their key whenever they are tried, and none when it is looked up', async () => {
    const { attempts, errors } = await failWith(keyTaken, keyTaken, keyTaken)
    assert.equal(attempts, 3)
    for (const error of errors) assert.ok(error instanceof AppError && error.kind === 'unavailable')
  })
})
