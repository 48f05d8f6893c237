import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { defaultCode, type ErrorKind } from '@shop/kernel/errors.ts'
import { grpcStatus, meaningOf } from '../../src/grpc/status.ts'

/** This mapping is part of the contract with clients. */
const statusNames: Record<ErrorKind, keyof typeof status> = {
  invalid: 'INVALID_ARGUMENT',
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  not_found: 'NOT_FOUND',
  conflict: 'FAILED_PRECONDITION',
  gone: 'OUT_OF_RANGE',
  stale: 'ABORTED',
  unprocessable: 'INVALID_ARGUMENT',
  precondition_required: 'FAILED_PRECONDITION',
  payload_too_large: 'RESOURCE_EXHAUSTED',
  rate_limited: 'RESOURCE_EXHAUSTED',
  internal: 'INTERNAL',
  unavailable: 'UNAVAILABLE',
}
const kinds = Object.keys(statusNames) as ErrorKind[]

describe('the gRPC status', () => {
  for (const kind of kinds)
    it(`of ${kind} is ${statusNames[kind]}, and maps back to ${kind} and its default code`, () => {
      assert.equal(grpcStatus(kind), status[statusNames[kind]])
      const code = defaultCode(kind)
      assert.deepEqual(meaningOf(status[statusNames[kind]], code), { kind, code })
    })

  it('maps to a kind of error even without a code, which other servers do not send', () => {
    const meanings = Object.fromEntries(
      Object.entries(status)
        .filter(([, value]) => typeof value === 'number' && value !== status.OK)
        .map(([name]) => [name, meaningOf(status[name as keyof typeof status]).kind]),
    )
    assert.deepEqual(meanings, {
      CANCELLED: 'unavailable',
      UNKNOWN: 'internal',
      INVALID_ARGUMENT: 'invalid',
      DEADLINE_EXCEEDED: 'unavailable',
      NOT_FOUND: 'not_found',
      ALREADY_EXISTS: 'conflict',
      PERMISSION_DENIED: 'forbidden',
      RESOURCE_EXHAUSTED: 'rate_limited',
      FAILED_PRECONDITION: 'conflict',
      ABORTED: 'stale',
      OUT_OF_RANGE: 'gone',
      UNIMPLEMENTED: 'internal',
      INTERNAL: 'internal',
      UNAVAILABLE: 'unavailable',
      DATA_LOSS: 'internal',
      UNAUTHENTICATED: 'unauthenticated',
    })
    assert.equal(meaningOf(status.ABORTED).code, 'stale_version')
  })

  it('keeps a service-specific code that is sent with it', () => {
    const meaning = meaningOf(status.FAILED_PRECONDITION, 'insufficient_stock')
    assert.deepEqual(meaning, { kind: 'conflict', code: 'insufficient_stock' })
  })

  it('overrides a code that belongs to another status or is malformed', () => {
    const notFound = { kind: 'not_found', code: 'not_found' }
    assert.deepEqual(meaningOf(status.NOT_FOUND, 'stale_version'), notFound)
    assert.deepEqual(meaningOf(status.INTERNAL, 'not_found'), { kind: 'internal', code: 'internal' })
    for (const code of [
      '__proto__',
      'toString',
      'Not found',
      '',
      'x'.repeat(65),
      5,
      undefined,
      Buffer.from('gone'),
    ])
      assert.deepEqual(meaningOf(status.NOT_FOUND, code), notFound)
  })
})
