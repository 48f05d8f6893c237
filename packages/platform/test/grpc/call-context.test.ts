import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { it } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { anonymous } from '@shop/kernel/principal.ts'
import { CallContext } from '../../src/grpc/calls/call-context.ts'
import { callerGoneError } from '../../src/transports.ts'

const open = () => {
  const call = Object.assign(new EventEmitter(), { cancelled: false, metadata: new Metadata() })
  const received = {
    requestId: 'req-1',
    client: undefined,
    allowance: undefined,
    principal: anonymous,
    hasSucceeded: false,
  }
  const cancel = () => {
    call.cancelled = true
    call.emit('cancelled', 'cancelled')
  }
  return { call, received, cancel, context: new CallContext(call, received) }
}

it('the signal of a call aborts when its caller has gone, also if it is first read after that', () => {
  for (const isReadBefore of [true, false]) {
    const { context, cancel } = open()
    if (isReadBefore) assert.equal(context.signal.aborted, false)
    cancel()
    assert.equal(context.signal.reason, callerGoneError)
  }
})

it('the signal of a call that has succeeded does not abort at its end', () => {
  const { context, received, cancel } = open()
  const { signal } = context
  received.hasSucceeded = true
  cancel()
  assert.equal(signal.aborted, false)
})

it('a call whose signal nobody reads has no listener', () => {
  const { call, context } = open()
  assert.equal(context.requestId, 'req-1')
  assert.equal(call.listenerCount('cancelled'), 0)
})
