import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'

/** Error codes of this service and their kinds. Other errors have the default code of their kind. */
export const errorCodes = {
  product_not_found: 'not_found',
  insufficient_stock: 'conflict',
  basket_full: 'conflict',
} as const satisfies Record<string, ErrorKind>

/** Machine-readable details of the errors, as JSON Schema. */
export const errorDetails = {
  available: { type: 'integer', description: 'Pieces in stock' },
  requested: { type: 'integer', description: 'The quantity that the line would have had' },
} as const satisfies Record<string, object>

type Details = Partial<Record<keyof typeof errorDetails, number>>

const domainError = (code: keyof typeof errorCodes, message: string, details: Details = {}): AppError =>
  new AppError(errorCodes[code], message, { code, details })

export const productNotFound = (productId: number): AppError =>
  domainError('product_not_found', `product ${productId} not found`)

export const insufficientStock = (productId: number, available: number, requested: number): AppError =>
  domainError('insufficient_stock', `only ${available} of product ${productId} are in stock`, {
    available,
    requested,
  })

export const lineFull = (limit: number, requested: number): AppError =>
  domainError('basket_full', `a basket can hold at most ${limit} of one product`, { requested })

export const basketFull = (limit: number): AppError =>
  domainError('basket_full', `a basket can hold at most ${limit} different products`)

/** The refusal of a line, with its position in the request. */
export type LineRefusal = Readonly<{ index: number; error: AppError }>

/** The error for several lines at once: that of the first refused line, with all refusals in `errors`. */
export const linesRefused = (refusals: readonly [LineRefusal, ...LineRefusal[]]): AppError => {
  const errors = refusals.map(({ index, error }) => ({
    path: `/items/${index}`,
    message: error.message,
    code: error.code,
    ...error.details,
  }))
  const { kind, code, details } = refusals[0].error
  const message = refusals.map(({ index, error }) => `items/${index}: ${error.message}`).join('; ')
  return new AppError(kind, message, { code, details: { ...details, errors } })
}

export const tooManyNewBaskets = (retryAfterSeconds: number): AppError =>
  new AppError('rate_limited', 'too many new baskets, try again later', {
    retryAfterSeconds,
  })

export const basketNotFound = (): AppError => new AppError('not_found', 'basket not found')

export const lineNotFound = (productId: number): AppError =>
  new AppError('not_found', `product ${productId} is not in the basket`)

export const staleBasket = (version: number | undefined): AppError =>
  new AppError(
    'stale',
    version === undefined
      ? 'precondition failed: there is no basket'
      : `precondition failed: the basket is at version ${version}`,
  )
