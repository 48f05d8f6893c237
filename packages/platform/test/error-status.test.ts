import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import type { ErrorCode } from '@shop/kernel/errors.ts'
import { codeOfGrpc, grpcStatus, httpStatus } from '../src/error-status.ts'

/** The table that clients were promised. */
const promised: Record<ErrorCode, readonly [http: number, grpc: keyof typeof status]> = {
  invalid: [400, 'INVALID_ARGUMENT'],
  not_found: [404, 'NOT_FOUND'],
  product_not_found: [404, 'NOT_FOUND'],
  insufficient_stock: [409, 'FAILED_PRECONDITION'],
  basket_full: [409, 'FAILED_PRECONDITION'],
  stale_version: [412, 'ABORTED'],
  unavailable: [503, 'UNAVAILABLE'],
  internal: [500, 'INTERNAL'],
}
const codes = Object.keys(promised) as ErrorCode[]

describe('the status of an error', () => {
  for (const code of codes) {
    const [http, grpc] = promised[code]

    it(`${code} is ${http} over HTTP and ${grpc} over gRPC, and comes back as ${code}`, () => {
      assert.equal(httpStatus(code), http)
      assert.equal(grpcStatus(code), status[grpc])
      assert.equal(codeOfGrpc(status[grpc], code), code)
    })
  }

  it('alone tells what a server other than ours meant', () => {
    const meanings = Object.fromEntries(
      Object.entries(status)
        .filter(([, value]) => typeof value === 'number' && value !== status.OK)
        .map(([name]) => [name, codeOfGrpc(status[name as keyof typeof status])]),
    )
    assert.deepEqual(meanings, {
      CANCELLED: 'unavailable',
      UNKNOWN: 'internal',
      INVALID_ARGUMENT: 'invalid',
      DEADLINE_EXCEEDED: 'unavailable',
      NOT_FOUND: 'not_found',
      ALREADY_EXISTS: 'internal',
      PERMISSION_DENIED: 'internal',
      RESOURCE_EXHAUSTED: 'unavailable',
      FAILED_PRECONDITION: 'internal',
      ABORTED: 'stale_version',
      OUT_OF_RANGE: 'internal',
      UNIMPLEMENTED: 'internal',
      INTERNAL: 'internal',
      UNAVAILABLE: 'unavailable',
      DATA_LOSS: 'internal',
      UNAUTHENTICATED: 'internal',
    })
  })

  it('counts more than a name beside it that does not belong to it, or is none of ours', () => {
    assert.equal(codeOfGrpc(status.NOT_FOUND, 'stale_version'), 'not_found')
    for (const name of [
      'constructor',
      'toString',
      '__proto__',
      'gone',
      '',
      5,
      undefined,
      Buffer.from('invalid'),
    ])
      assert.equal(codeOfGrpc(status.UNAVAILABLE, name), 'unavailable')
  })
})
