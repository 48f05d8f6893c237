import type { ErrorKind } from '@shop/kernel/errors.ts'

/**
 * The HTTP status of each kind of error (RFC 9110 §15, RFC 6585 §3 and §4). docs/errors.md documents those
 * that the services use.
 */
const statuses = {
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
} as const satisfies Record<ErrorKind, number>

export const httpStatus = (kind: ErrorKind): number => statuses[kind]

const kinds = new Map<number, ErrorKind>(
  Object.entries(statuses).map(([kind, status]) => [status, kind as ErrorKind]),
)

/**
 * The inverse of `httpStatus`. A status that no kind has means `invalid` if it is 4xx, otherwise `internal`.
 */
export const kindOfHttp = (status: number): ErrorKind =>
  kinds.get(status) ?? (status >= 400 && status < 500 ? 'invalid' : 'internal')
