import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'

/** Error codes specific to this service, with their kinds. Empty: it uses only the default codes of kinds. */
export const errorCodes = {} as const satisfies Record<string, ErrorKind>

/** Members specific to errors of this service, as JSON Schema. Empty: it uses only the common members. */
export const errorDetails = {} as const satisfies Record<string, object>

export const productNotFound = (id: number): AppError => new AppError('not_found', `product ${id} not found`)

export const staleProduct = ({ id, version }: Readonly<{ id: number; version: number }>): AppError =>
  new AppError('stale', `precondition failed: product ${id} is at version ${version}`)
