import { AppError } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '@shop/platform/decorate.ts'
import { NoPrimary } from './hosts/no-primary.ts'
import { UnsuitableSession } from './session.ts'

/** SQLSTATE classes (manual, appendix A): connection (08), resources (53), operator intervention (57). */
const outage = /^(08|53|57)/

/** The server responds but refuses us: bad credentials (28), no such database (3D), standby (25006). */
const refusal = /^(28|3D)|^25006$/

/** SQLSTATE of a missing table, as before the first migration. */
export const missingTable = '42P01'

/** SQLSTATE of a statement for which the role has no right. */
export const insufficientPrivilege = '42501'

/**
 * The database is not as the service requires, so an operator has to act: a missing right (42501), column
 * (42703), function (42883) or schema (3F000), a failed read of the server's files (58), or damaged data
 * (XX001, XX002).
 */
const unsuitable = /^(42501|42703|42883|3F000|XX001|XX002)$|^58/

/**
 * The schema refuses the statement: a data exception (22), a violated constraint (23), an exception of a trigger (P0),
 * another type of a column (42804), a rule (0A000). The domain has validated the input, so the schema is not the
 * one that was migrated.
 */
const refusedBySchema = /^(0A000|42804)$|^(22|23|P0)/

const sqlState = (error: object): string =>
  'code' in error && typeof error.code === 'string' ? error.code : ''

/**
 * The server has dropped the statement (26000, after DISCARD ALL), has another one of its name (42P05), or
 * cannot use it any more, because a column's type has changed. Messages of the server may be translated, so
 * the last one is recognized by the function that reports it.
 */
const isOutdated = (error: object): boolean => {
  const code = sqlState(error)
  if (code !== '0A000') return code === '26000' || code === '42P05'
  return 'routine' in error && error.routine === 'RevalidateCachedQuery'
}

export const hasSqlState = (error: unknown, code: string): boolean =>
  error instanceof Error && sqlState(error) === code

/** A row with values that the service cannot read, because a column was changed or its data is damaged. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow'
}

/** A write without an effect: a trigger or a rule of the table has dropped it. */
export class IgnoredWrite extends Error {
  override readonly name = 'IgnoredWrite'
}

/** The reason if the schema refuses or ignores the write, otherwise undefined. It contains no data of rows. */
export const schemaRefusal = (error: unknown): string | undefined => {
  if (error instanceof IgnoredWrite) return 'a trigger or rule ignores them'
  const code = error instanceof Error ? sqlState(error) : ''
  return refusedBySchema.test(code) ? `its schema refuses them (${code})` : undefined
}

/** Whether the driver gave up waiting for a connection or a result. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof Error && sqlState(error) === '' && /timeout/i.test(error.message)

/** Whether the database is down, full or too slow to respond. Waiting may help. */
const isOutage = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const code = sqlState(error)
  // Sockets (ECONNREFUSED, …) and TLS (DEPTH_ZERO_SELF_SIGNED_CERT, …) set a code. The driver's own errors
  // have no code: connect timeout, connection lost, no TLS.
  if (/^E[A-Z_]+$|CERT|SIGNATURE/.test(code) || error instanceof AggregateError) return true
  return code === '' ? /timeout|terminated|not queryable|SSL/i.test(error.message) : outage.test(code)
}

/** Whether the server cannot run any statement at the moment. Waiting may help, or an operator has to act. */
export const isUnusable = (error: unknown): boolean =>
  isOutage(error) ||
  error instanceof NoPrimary ||
  error instanceof UnsuitableSession ||
  (error instanceof Error && refusal.test(sqlState(error)))

/**
 * Whether the statement lost against another transaction, or against the recovery of a replica: a lock timeout (55P03),
 * a conflict or a deadlock (40).
 */
export const isContended = (error: unknown): boolean =>
  error instanceof Error && /^55P03$|^40/.test(sqlState(error))

/** Whether the server rejected a prepared statement that it no longer has or can no longer use. */
export const isOutdatedStatement = (error: unknown): boolean => error instanceof Error && isOutdated(error)

/** Whether the same statement might succeed later, possibly after an operator has acted. */
export const isUnavailable = (error: unknown): boolean =>
  isUnusable(error) ||
  isContended(error) ||
  isOutdatedStatement(error) ||
  error instanceof UnreadableRow ||
  schemaRefusal(error) !== undefined ||
  hasSqlState(error, missingTable) ||
  (error instanceof Error && unsuitable.test(sqlState(error)))

/**
 * Whether the server refuses the statement because of what it writes, and not because of an outage, a timeout, a conflict or a
 * missing right: without the row that it refuses, it may succeed. It has written nothing.
 */
export const isRefusedWrite = (error: unknown): boolean =>
  schemaRefusal(error) !== undefined ||
  (error instanceof Error && /^[0-9A-Z]{5}$/.test(sqlState(error)) && !isUnavailable(error))

/**
 * Whether the server has answered with an error, after which nothing of the statement is stored. Not if it was ending (57) or says
 * that it does not know (08, 40003).
 */
export const isAnswered = (error: unknown): boolean =>
  error instanceof Error && /^(?!08|57|40003)(?=.*\d)[0-9A-Z]{5}$/.test(sqlState(error))

/**
 * Whether the server has rolled back the statement and its transaction through no fault of theirs, so that they
 * may succeed at once: 40001 (serialization failure), 40P01 (deadlock), an outdated statement.
 */
const isRepeatable = (error: unknown): boolean =>
  isOutdatedStatement(error) || (error instanceof Error && /^40(001|P01)$/.test(sqlState(error)))

const maxRepetitions = 2

/**
 * Wraps the adapter. A call that the server has rolled back is repeated at most twice. Temporary errors become
 * `unavailable` with `message`, which reaches the caller.
 */
export const mapStoreErrors = <Adapter extends AsyncFunctions>(adapter: Adapter, message: string): Adapter =>
  decorate(adapter, async (_name, call) => {
    for (let repetitions = 0; ; repetitions++)
      try {
        return await call()
      } catch (error) {
        if (isRepeatable(error) && repetitions < maxRepetitions) continue
        if (error instanceof AppError || !isUnavailable(error)) throw error
        throw new AppError('unavailable', message, { cause: error })
      }
  })
