import { status } from '@grpc/grpc-js'
import type { ErrorCode } from '@shop/kernel/errors.ts'

/** The one table from what went wrong to the status of each protocol. docs/errors.md explains it to clients. */
const table = {
  invalid: { http: 400, grpc: status.INVALID_ARGUMENT },
  not_found: { http: 404, grpc: status.NOT_FOUND },
  product_not_found: { http: 404, grpc: status.NOT_FOUND },
  insufficient_stock: { http: 409, grpc: status.FAILED_PRECONDITION },
  basket_full: { http: 409, grpc: status.FAILED_PRECONDITION },
  stale_version: { http: 412, grpc: status.ABORTED },
  unavailable: { http: 503, grpc: status.UNAVAILABLE },
  internal: { http: 500, grpc: status.INTERNAL },
} as const satisfies Record<ErrorCode, { http: number; grpc: status }>

export const httpStatus = (code: ErrorCode): number => table[code].http
export const grpcStatus = (code: ErrorCode): status => table[code].grpc

const isErrorCode = (text: unknown): text is ErrorCode =>
  typeof text === 'string' && Object.hasOwn(table, text)

const codeOfStatus = new Map<status, ErrorCode>([
  [status.INVALID_ARGUMENT, 'invalid'],
  [status.NOT_FOUND, 'not_found'],
  [status.ABORTED, 'stale_version'],
  [status.UNAVAILABLE, 'unavailable'],
  [status.DEADLINE_EXCEEDED, 'unavailable'],
  // We never cancel a call: the other side did, which was stopped.
  [status.CANCELLED, 'unavailable'],
  [status.RESOURCE_EXHAUSTED, 'unavailable'],
])

/** The inverse: what a call's status meant. `named` is the code that our own services send beside the status. */
export const codeOfGrpc = (grpc: status, named?: unknown): ErrorCode =>
  isErrorCode(named) && table[named].grpc === grpc ? named : (codeOfStatus.get(grpc) ?? 'internal')
