import { AppError } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '@shop/platform/decorate.ts'

/** SQLSTATEs (PostgreSQL manual, appendix A): connection (08), resources (53), operator intervention (57). */
const outage = /^(08|53|57)/

/** The server answers, and will not have us: wrong credentials (28), no such database (3D), a standby (25006). */
const refusal = /^(28|3D)|^25006$/

/**
 * Statements that fail though they are right: a lock not had in time, no table before the first migration, and a conflict
 * with others (40), which may also be the recovery of a replica.
 */
const notYet = /^(55P03|42P01)$|^40/

const sqlState = (error: object): string =>
  'code' in error && typeof error.code === 'string' ? error.code : ''

/** Whether the database is down, full or too slow to answer: waiting may help. */
const isOutage = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const code = sqlState(error)
  // From the socket (ECONNREFUSED, …), from TLS (DEPTH_ZERO_SELF_SIGNED_CERT, …) or, without any code, from the driver: no
  // connection in time, connection lost, no TLS.
  if (/^E[A-Z_]+$|CERT|SIGNATURE/.test(code) || error instanceof AggregateError) return true
  return code === '' ? /timeout|terminated|not queryable|SSL/i.test(error.message) : outage.test(code)
}

/** Whether waiting, or somebody's hand on the server, may help: no statement can be run there now. */
export const isUnusable = (error: unknown): boolean =>
  isOutage(error) || (error instanceof Error && refusal.test(sqlState(error)))

/** Whether the statement might have been done at another time. */
export const isUnavailable = (error: unknown): boolean =>
  isUnusable(error) || (error instanceof Error && notYet.test(sqlState(error)))

/** The adapter, with an outage of the database as `unavailable`, which `message` tells the caller. */
export const mapStoreErrors = <Adapter extends AsyncFunctions>(adapter: Adapter, message: string): Adapter =>
  decorate(adapter, async (_name, call) => {
    try {
      return await call()
    } catch (error) {
      if (error instanceof AppError || !isUnavailable(error)) throw error
      throw new AppError('unavailable', message, { cause: error })
    }
  })
