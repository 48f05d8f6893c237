import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { ExpectedFailure, expectedFailure, failureFields } from '@shop/platform/failure.ts'
import { createFailureLog } from '@shop/platform/logging/failure-log.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { pause } from '@shop/platform/resilience/every.ts'
import type { Kysely } from 'kysely'
import { closePostgres } from './close.ts'
import { openForMigration, type PostgresConfig } from './database.ts'
import { hasSqlState, insufficientPrivilege, isContended, isUnusable } from './errors.ts'
import { blockersOf } from './migrations/blockers.ts'
import { type Migrations, MigrationsPending } from './migrations.ts'

const retryMs = { first: 250, last: 5_000 }

type MigrationOnStart = Readonly<{
  postgres: PostgresConfig
  migrations: Migrations
  /** Whether to apply the migrations. Otherwise only waits until another process has applied them. */
  apply: boolean
  /** Checks the migrated database. Throws an `OperatorError` if the service cannot use it. */
  verify?: (database: Kysely<unknown>) => Promise<void>
  logger: Logger
  signal: AbortSignal
  /** Called when the database cannot be migrated or used, because the service can then never become ready. */
  abortService: () => void
}>

const reminderMs = 10_000

/** Rejects when the signal aborts, also if a connection hangs. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const abort = () => reject(new Error('the service is stopping'))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })

/** Applies the migrations, or requires that they are applied. Resolves with fields for the log line. */
const bringUpToDate = async (database: Kysely<unknown>, { migrations, apply, verify }: MigrationOnStart) => {
  const applied = apply ? await migrations.apply(database) : await migrations.requireApplied(database)
  await verify?.(database)
  return applied === undefined ? {} : { applied }
}

/**
 * Logs for which sessions the migration may wait. Without any, it says nothing if the last attempt has failed: the log of
 * failures says that the server is unreachable, or that nobody has migrated yet.
 */
const logReminder = async (
  database: Kysely<unknown>,
  logger: Logger,
  hasFailed: () => boolean,
): Promise<void> => {
  const sessions = (await blockersOf(database)) ?? []
  if (sessions.length === 0 && hasFailed()) return
  logger.warn({ sessions }, 'the database is not up to date yet: a migration runs, or waits for a lock')
}

/** The log message for an error that waiting does not remove. */
const messageOf = (error: unknown): string => {
  if (error instanceof OperatorError) return `the database cannot be used: ${error.message}`
  return hasSqlState(error, insufficientPrivilege)
    ? 'the database role may not migrate the database: grant the right that the error names, or run db-migrate as the owner and set MIGRATE=off'
    : 'the database cannot be migrated'
}

/** Only a failed migration may be a bug: of its file. The message of an `OperatorError` is that of the line already. */
const fieldsOf = (error: unknown) => {
  if (error instanceof OperatorError) return { err: new ExpectedFailure(error) }
  return hasSqlState(error, insufficientPrivilege) ? expectedFailure(error) : failureFields(error)
}

/** A failed migration was rolled back, so one that met another transaction's lock can be repeated. */
const mayEndByWaiting = (error: unknown): boolean =>
  isUnusable(error) || isContended(error) || error instanceof MigrationsPending

/**
 * Resolves with true once the database has every migration. Retries while the server is unavailable, while
 * another transaction holds locks, and while another process has not applied all migrations. Resolves with false
 * if the signal aborts, a migration fails or the database is not suitable. The last two also abort the service.
 */
export const migrateOnStart = async (options: MigrationOnStart): Promise<boolean> => {
  const { logger, signal } = options
  const database = openForMigration<unknown>(options.postgres, logger)
  const failures = createFailureLog(logger, 'waiting for the database', {
    level: 'warn',
    fieldsOf: expectedFailure,
  })
  let hasFailed = false
  const remind = () => void logReminder(database, logger, () => hasFailed)
  const reminder = setInterval(remind, reminderMs).unref()
  try {
    for (let failed = 0; ; failed++) {
      try {
        const done = await Promise.race([bringUpToDate(database, options), untilAborted(signal)])
        logger.info(done, 'the database is up to date')
        return true
      } catch (error) {
        if (signal.aborted) return false
        if (!mayEndByWaiting(error)) {
          logger.fatal(fieldsOf(error), messageOf(error))
          options.abortService()
          return false
        }
        hasFailed = isUnusable(error) || error instanceof MigrationsPending
        failures.record(error)
        await pause(backoff(failed, retryMs), signal)
      }
    }
  } finally {
    clearInterval(reminder)
    failures.close()
    await closePostgres(database)
  }
}
