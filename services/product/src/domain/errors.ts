import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'

/**
 * The service's own error codes, with their kinds. Empty, because it only uses the default code of each kind.
 */
export const errorCodes = {} as const satisfies Record<string, ErrorKind>

/** Schemas of the service's own members of errors. Empty, because it only uses the common members. */
export const errorDetails = {} as const satisfies Record<string, object>

export const productNotFound = (id: number): AppError => new AppError('not_found', `product ${id} not found`)

export const staleProduct = ({ id, version }: Readonly<{ id: number; version: number }>): AppError =>
  new AppError('stale', `precondition failed: product ${id} is at version ${version}`)
