/**
 * What can go wrong in a way that the caller may be told. Each edge (HTTP, gRPC) has one table with the status of every kind.
 * Anything else that is thrown is a bug.
 */
export type ErrorKind =
  /** The input breaks a rule. */
  | 'invalid'
  /** The caller has not said who they are, or not so that it can be believed. */
  | 'unauthenticated'
  /** The caller may not do this. */
  | 'forbidden'
  | 'not_found'
  /** A rule of the domain refuses it in the present state. */
  | 'conflict'
  /** It was there, and will not come back. */
  | 'gone'
  /** Another write came first: the caller's precondition does not hold. */
  | 'stale'
  /** The input is well-formed, and contradicts what was said before. */
  | 'unprocessable'
  /** The write must say which version it expects. */
  | 'precondition_required'
  /** The caller has asked too often. */
  | 'rate_limited'
  /** A dependency is down or too slow: the same may work later. */
  | 'unavailable'
  /** A bug. */
  | 'internal'

/** `path` is a JSON Pointer (RFC 6901) into the input, such as `/price`. */
export type Violation = Readonly<{ path: string; message: string }>

/** Facts a program may act upon; they go out on the wire beside the message. Each service declares those of its own errors. */
export type ErrorDetails = Readonly<{ errors?: readonly Violation[]; [fact: string]: unknown }>

type ErrorOptions = Readonly<{ code?: string | undefined; details?: ErrorDetails; cause?: unknown }>

/** The code of an error whose service has no word of its own for it. */
export const defaultCode = (kind: ErrorKind): string => (kind === 'stale' ? 'stale_version' : kind)

/** Its message and details reach the caller, so they name rules and values, and never hold anything secret. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly kind: ErrorKind
  /** For programs: stable, and more exact than the kind where the service has a word of its own. */
  readonly code: string
  readonly details: ErrorDetails

  constructor(kind: ErrorKind, message: string, { code, details = {}, cause }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.code = code ?? defaultCode(kind)
    this.details = details
  }
}

/** `invalid`, with a message made of all violations. */
export const invalid = (...errors: Violation[]): AppError =>
  new AppError(
    'invalid',
    errors.map(({ path, message }) => `${path.slice(1) || 'body'} ${message}`).join('; '),
    {
      details: { errors },
    },
  )

/** The kind under which an unknown thrown value is handled. */
export const kindOf = (error: unknown): ErrorKind => (error instanceof AppError ? error.kind : 'internal')

/** The code under which an unknown thrown value is reported. */
export const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : 'internal')

/** What is wrong with a number that must be a whole one within the range; undefined when nothing is. */
export const wholeNumberRule = (value: number, [min, max]: readonly [number, number]): string | undefined =>
  Number.isInteger(value) && value >= min && value <= max
    ? undefined
    : `must be a whole number from ${min} to ${max}`

/** Throws `invalid` unless the value is a whole number within the range. `path` names the field. */
export const requireWithin = (path: string, value: number, range: readonly [number, number]): number => {
  const message = wholeNumberRule(value, range)
  if (message !== undefined) throw invalid({ path, message })
  return value
}
