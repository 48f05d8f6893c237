import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { isUnusable } from '@shop/postgres/errors.ts'

/** Whether the role lacks a right (SQLSTATE 42501). */
const isForbidden = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '42501'

/** Runs `work`. An outage of the server or a missing right becomes an error that is printed as one line. */
export const explainOutages = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (cause) {
    if (isUnusable(cause)) throw new OperatorError(`The database is unavailable: ${String(cause)}`, { cause })
    if (isForbidden(cause)) throw new OperatorError(`The database refuses: ${String(cause)}`, { cause })
    throw cause
  }
}
