import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'

/** The codes that only this service has, each with its kind: none yet. The kinds of the kernel have codes of their own. */
export const errorCodes = {} as const satisfies Record<string, ErrorKind>

/** What the errors tell programs besides their message, as JSON Schema: nothing yet that is not told by every error. */
export const errorDetails = {} as const satisfies Record<string, object>

export const productNotFound = (id: number): AppError => new AppError('not_found', `product ${id} not found`)

export const staleProduct = ({ id, version }: Readonly<{ id: number; version: number }>): AppError =>
  new AppError('stale', `precondition failed: product ${id} is at version ${version}`)
