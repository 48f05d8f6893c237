import { AppError, type ErrorKind, kindOf } from '@shop/kernel/errors.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'

export const unavailableMessage = 'the product service is unavailable'

/** What an operator must do if the product service refuses our own calls, whoever they are for. */
const refusals: Readonly<Partial<Record<ErrorKind, string>>> = {
  unauthenticated:
    'the product service does not accept the credentials of this service: put an API key or token that it knows into the file of PRODUCT_SERVICE_TOKEN_FILE',
  forbidden:
    'the product service knows this service, but does not allow its call: give the API key or token in PRODUCT_SERVICE_TOKEN_FILE the scope that is missing',
  rate_limited:
    'the product service limits the calls of this service: give its API key or token in PRODUCT_SERVICE_TOKEN_FILE the scope unlimited, or raise RATE_LIMIT_READS of the product service',
}

export const unavailable = (cause: unknown): AppError =>
  new AppError('unavailable', unavailableMessage, { cause })

/** What callers get to know of an error of a call. */
export const toCatalogError = (error: unknown): Error => {
  if (kindOf(error) === 'unavailable') return unavailable(error)
  const refusal = refusals[kindOf(error)]
  return refusal === undefined
    ? // This includes `invalid`: we validate our caller's input, so a rejected id is our bug.
      new Error('unexpected response from the product service', { cause: error })
    : unavailable(new OperatorError(refusal, { cause: error }))
}
