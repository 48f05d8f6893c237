import assert from 'node:assert/strict'
import { it } from 'node:test'
import { callUnary } from '../../src/grpc/client.ts'

it('a call captures no stacks, and errors have theirs after it, even if it cannot be sent', async () => {
  const { stackTraceLimit } = Error
  const limits: number[] = []
  const send = () => {
    limits.push(Error.stackTraceLimit)
    throw new Error('cannot be sent')
  }
  await assert.rejects(callUnary(send, {}, 1_000), { message: 'cannot be sent' })
  assert.deepEqual(limits, [0])
  assert.equal(Error.stackTraceLimit, stackTraceLimit)
})
