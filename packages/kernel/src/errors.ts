/**
 * The kinds of errors that callers receive. Each transport (HTTP, gRPC) has one table that maps every kind to
 * a status. A thrown value that is not an `AppError` is a bug, and has the kind `internal`.
 */
export type ErrorKind =
  /** The input breaks a rule. */
  | 'invalid'
  /** Credentials are missing or cannot be verified. */
  | 'unauthenticated'
  /** The caller is not allowed to do this. */
  | 'forbidden'
  | 'not_found'
  /** A domain rule forbids the operation in the current state. */
  | 'conflict'
  /** The resource existed and was removed for good. */
  | 'gone'
  /** Another write came first: the caller's precondition does not hold. */
  | 'stale'
  /** The input is well-formed but contradicts an earlier request. */
  | 'unprocessable'
  /** The write must state which version it expects. */
  | 'precondition_required'
  /** The request or its response is larger than allowed. A smaller request may succeed. */
  | 'payload_too_large'
  /** The caller sent too many requests. */
  | 'rate_limited'
  /** The service is overloaded, or a dependency is down or too slow. The same request may succeed later. */
  | 'unavailable'
  /** A bug. */
  | 'internal'

/**
 * `path` is a JSON Pointer (RFC 6901) into the input, such as `/price`. `code` is that of the error which the value alone would
 * get, if it has one of its own; other members are its details.
 */
export type Violation = Readonly<{ path: string; message: string; code?: string; [fact: string]: unknown }>

/** Machine-readable facts that are sent with the message. Each service declares those of its own errors. */
export type ErrorDetails = Readonly<{ errors?: readonly Violation[]; [fact: string]: unknown }>

type ErrorOptions = Readonly<{
  code?: string | undefined
  details?: ErrorDetails
  /** How long the caller should wait before it tries again. */
  retryAfterSeconds?: number
  cause?: unknown
}>

/** The code of an error for which the service defines no code of its own. */
export const defaultCode = (kind: ErrorKind): string => (kind === 'stale' ? 'stale_version' : kind)

/**
 * An error for the caller. Its message and details may name rules and values, but must not contain secrets.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly kind: ErrorKind
  /** Machine-readable and stable. More specific than the kind if the service defines a code of its own. */
  readonly code: string
  readonly details: ErrorDetails
  /** Undefined if it is not known. */
  readonly retryAfterSeconds: number | undefined

  constructor(kind: ErrorKind, message: string, options: ErrorOptions = {}) {
    const { code, details = {}, retryAfterSeconds, cause } = options
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.code = code ?? defaultCode(kind)
    this.details = details
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Creates an `invalid` error whose message lists all violations. */
export const invalid = (...errors: Violation[]): AppError =>
  new AppError(
    'invalid',
    errors.map(({ path, message }) => `${path.slice(1) || 'body'} ${message}`).join('; '),
    {
      details: { errors },
    },
  )

/** The kind of a thrown value: `internal` unless it is an `AppError`. */
export const kindOf = (error: unknown): ErrorKind => (error instanceof AppError ? error.kind : 'internal')

/** The code of a thrown value: `internal` unless it is an `AppError`. */
export const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : 'internal')

/** Returns the rule that the value breaks; undefined if it is a whole number within the range. */
export const wholeNumberRule = (value: number, [min, max]: readonly [number, number]): string | undefined =>
  Number.isInteger(value) && value >= min && value <= max
    ? undefined
    : `must be a whole number from ${min} to ${max}`

/**
 * Returns the value. Throws `invalid` unless it is a whole number within the range. `path` names the field.
 */
export const requireWithin = (path: string, value: number, range: readonly [number, number]): number => {
  const message = wholeNumberRule(value, range)
  if (message !== undefined) throw invalid({ path, message })
  return value
}
