import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ErrorKind } from '@shop/kernel/errors.ts'
import { httpStatus, kindOfHttp } from '../../src/http/status.ts'

/** This mapping is part of the contract with clients. */
const statuses: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  gone: 410,
  stale: 412,
  payload_too_large: 413,
  unprocessable: 422,
  precondition_required: 428,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
}

describe('the HTTP status', () => {
  for (const [kind, status] of Object.entries(statuses))
    it(`of ${kind} is ${status}, and maps back to ${kind}`, () => {
      assert.equal(httpStatus(kind as ErrorKind), status)
      assert.equal(kindOfHttp(status), kind)
    })

  it('maps to invalid (4xx) or internal (5xx) if it is not the status of any error kind', () => {
    for (const status of [402, 405, 415, 418, 499]) assert.equal(kindOfHttp(status), 'invalid')
    for (const status of [501, 502, 504, 599]) assert.equal(kindOfHttp(status), 'internal')
  })
})
