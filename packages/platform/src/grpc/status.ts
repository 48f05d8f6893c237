import { status } from '@grpc/grpc-js'
import { defaultCode, type ErrorKind } from '@shop/kernel/errors.ts'

/** The gRPC status of each kind of error. docs/errors.md explains those in use to clients. */
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
  // This process never cancels a call: the server did, because it stops.
  [status.CANCELLED, 'unavailable'],
])

/** What a status and the code beside it stand for. */
export type Meaning = Readonly<{ kind: ErrorKind; code: string }>

const kindOfCode = new Map(
  (Object.keys(statuses) as ErrorKind[]).map((kind) => [defaultCode(kind), kind] as const),
)

const codePattern = /^[a-z][a-z_]{0,63}$/

/**
 * The inverse: what a call's status meant. `named` is the code that our own services send beside it; one that does not
 * belong to the status, or is no code, does not count.
 */
export const meaningOf = (code: status, named?: unknown): Meaning => {
  const kind = kinds.get(code) ?? 'internal'
  if (typeof named !== 'string' || !codePattern.test(named) || kind === 'internal')
    return { kind, code: defaultCode(kind) }
  const general = kindOfCode.get(named)
  if (general === undefined) return { kind, code: named }
  const meant = statuses[general] === code ? general : kind
  return { kind: meant, code: defaultCode(meant) }
}
