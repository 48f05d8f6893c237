import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'

/** The service's own error codes, with their kinds. Other errors have the default code of their kind. */
export const errorCodes = { product_referenced: 'conflict' } as const satisfies Record<string, ErrorKind>

/** Schemas of the service's own members of errors. Empty, because it only uses the common members. */
export const errorDetails = {} as const satisfies Record<string, object>

export const productNotFound = (id: number): AppError => new AppError('not_found', `product ${id} not found`)

export const staleProduct = ({ id, version }: Readonly<{ id: number; version: number }>): AppError =>
  new AppError('stale', `precondition failed: product ${id} is at version ${version}`)

/** Another table of the store refers to the product. Nothing was written. */
export const productReferenced = (id: number, cause: unknown): AppError =>
  new AppError(errorCodes.product_referenced, `product ${id} is referenced by another table`, {
    code: 'product_referenced',
    cause,
  })

/** The store has assigned its highest id. An operator has to make ids available. */
export const noIdLeft = (cause: unknown): AppError =>
  new AppError('unavailable', 'no product id is left', { cause })

/** Ids are being inserted while the store assigns ids. Nothing was written. */
export const idTaken = (cause: unknown): AppError =>
  new AppError('unavailable', 'the id for the new product was taken, try again later', { cause })

/** The product cannot be updated any more, because its version is the highest that the store supports. */
export const noVersionLeft = (id: number): AppError =>
  new AppError('unavailable', `product ${id} has reached the highest version`)
