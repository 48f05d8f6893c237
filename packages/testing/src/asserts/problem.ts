import assert from 'node:assert/strict'
import { STATUS_CODES } from 'node:http'
import type { LightMyRequestResponse } from 'fastify'

type Expected = Readonly<{
  status: number
  code: string
  detail: string
  instance: string
  [detail: string]: unknown
}>

/** Asserts that the response is exactly this problem (RFC 9457), without further members. */
export const assertProblem = (response: LightMyRequestResponse, expected: Expected): void => {
  assert.equal(response.statusCode, expected.status, response.body)
  assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  assert.deepEqual(response.json(), {
    type: 'about:blank',
    title: STATUS_CODES[expected.status],
    ...expected,
    request_id: response.headers['x-request-id'],
  })
}
