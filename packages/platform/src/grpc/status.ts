import { status } from '@grpc/grpc-js'
import { defaultCode, type ErrorKind } from '@shop/kernel/errors.ts'

/** The gRPC status of each kind of error. docs/errors.md documents those that the services use. */
const statuses = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  conflict: status.FAILED_PRECONDITION,
  gone: status.OUT_OF_RANGE,
  stale: status.ABORTED,
  unprocessable: status.INVALID_ARGUMENT,
  precondition_required: status.FAILED_PRECONDITION,
  payload_too_large: status.RESOURCE_EXHAUSTED,
  rate_limited: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorKind, status>

export const grpcStatus = (kind: ErrorKind): status => statuses[kind]

const kinds = new Map<status, ErrorKind>([
  [status.INVALID_ARGUMENT, 'invalid'],
  [status.UNAUTHENTICATED, 'unauthenticated'],
  [status.PERMISSION_DENIED, 'forbidden'],
  [status.NOT_FOUND, 'not_found'],
  [status.FAILED_PRECONDITION, 'conflict'],
  [status.ALREADY_EXISTS, 'conflict'],
  [status.OUT_OF_RANGE, 'gone'],
  [status.ABORTED, 'stale'],
  [status.RESOURCE_EXHAUSTED, 'rate_limited'],
  [status.UNAVAILABLE, 'unavailable'],
  [status.DEADLINE_EXCEEDED, 'unavailable'],
  // This process never cancels a call, so the server did: it is stopping.
  [status.CANCELLED, 'unavailable'],
])

/** The kind and code of an error, decoded from a status and the error code sent with it. */
export type Meaning = Readonly<{ kind: ErrorKind; code: string }>

const kindOfDefaultCode = new Map(
  (Object.keys(statuses) as ErrorKind[]).map((kind) => [defaultCode(kind), kind] as const),
)

const codePattern = /^[a-z][a-z_]{0,63}$/

/**
 * The inverse of `grpcStatus`: returns what the status of a failed call means. `errorCode` is the code that
 * our own services send with the status. It is ignored if it is malformed or belongs to another status.
 */
export const meaningOf = (code: status, errorCode?: unknown): Meaning => {
  const kind = kinds.get(code) ?? 'internal'
  if (typeof errorCode !== 'string' || !codePattern.test(errorCode) || kind === 'internal')
    return { kind, code: defaultCode(kind) }
  const kindOfErrorCode = kindOfDefaultCode.get(errorCode)
  if (kindOfErrorCode === undefined) return { kind, code: errorCode }
  const exactKind = statuses[kindOfErrorCode] === code ? kindOfErrorCode : kind
  return { kind: exactKind, code: defaultCode(exactKind) }
}
