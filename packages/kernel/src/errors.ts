/** Everything that can go wrong in a way the caller may be told; anything else that is thrown is a bug. */
export type ErrorCode =
  | 'invalid'
  | 'not_found'
  | 'product_not_found'
  | 'insufficient_stock'
  | 'basket_full'
  | 'stale_version'
  | 'unavailable'
  | 'internal'

/** `path` is a JSON Pointer (RFC 6901) into the input, such as `/price`. */
export type Violation = Readonly<{ path: string; message: string }>

/** Facts a program may act upon; they go out on the wire beside the message. */
export type ErrorDetails = Readonly<{
  errors?: readonly Violation[]
  available?: number
  requested?: number
}>

/** Its message and details reach the caller, so they name rules and figures, and never hold anything secret. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

/** `invalid`, with a message made of all violations. */
export const invalid = (...errors: Violation[]): AppError =>
  new AppError(
    'invalid',
    errors.map(({ path, message }) => `${path.slice(1) || 'body'} ${message}`).join('; '),
    { errors },
  )

/** The code under which an unknown thrown value is reported. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof AppError ? error.code : 'internal')

/** Throws `invalid` unless the value is a whole number within the range. `path` names the field. */
export const requireWithin = (path: string, value: number, [min, max]: readonly [number, number]): number => {
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid({ path, message: `must be a whole number from ${min} to ${max}` })
  return value
}
