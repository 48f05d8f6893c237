import { expectedFailure, failureFields } from '@shop/platform/failure.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type Kysely, sql } from 'kysely'
import { closePostgres } from './close.ts'
import { openForMigration, type PostgresConfig } from './database.ts'
import { hasSqlState, isUnusable, missingTable } from './errors.ts'
import type { Migrations } from './migrations.ts'

const pauseMs = 3_000
const stopLimitMs = 1_000

/** A table that has moved to another schema, or is being replaced, must not be created again. */
const hasMigrationsTable = async (database: Kysely<unknown>): Promise<boolean> =>
  (await sql`select from pg_class where relname = 'kysely_migration'`.execute(database)).rows.length > 0

type Options = Readonly<{ postgres: PostgresConfig; migrations: Migrations; logger: Logger }>

/**
 * Migrates a database that is dropped and created while the service runs. `onError` takes the errors of health
 * checks. After a missing table, at most every few seconds, it migrates the database in the background, if no
 * schema has a table of migrations. `done` waits at most a second for a migration that is running.
 */
export const migrateAgain = ({ postgres, migrations, logger }: Options) => {
  let notBefore = 0
  let running = Promise.resolve()

  const run = async () => {
    const database = openForMigration<unknown>(postgres, logger)
    try {
      if (await hasMigrationsTable(database)) return
      logger.warn({ applied: await migrations.apply(database) }, 'migrated a database without tables')
    } catch (error) {
      logger.warn(
        isUnusable(error) ? expectedFailure(error) : failureFields(error),
        'a database without tables cannot be migrated',
      )
    } finally {
      notBefore = performance.now() + pauseMs
      await closePostgres(database)
    }
  }
  return {
    onError: (error: unknown): void => {
      if (!hasSqlState(error, missingTable) || performance.now() < notBefore) return
      notBefore = Number.POSITIVE_INFINITY
      running = run()
    },
    done: () => withDeadline(stopLimitMs, 'the migration did not end', running).catch(() => {}),
  }
}
