import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'
import { hasSqlState } from './errors.ts'
import { requireSuitableServer } from './server-requirements.ts'

/** Returns a migration that runs the SQL statements in `text`. A semicolon at a line's end ends a statement. */
const migrationOf = (text: string): Migration => ({
  up: async (database) => {
    for (const statement of text.split(/;\s*$/m))
      if (statement.trim() !== '') await sql.raw(statement).execute(database)
  },
})

const migratorOf = async <Tables>(database: Kysely<Tables>, folder: string): Promise<Migrator> => {
  const { rows } = await sql<{ schema: string | null }>`select current_schema() as schema`.execute(database)
  const schema = rows[0]?.schema ?? null
  if (schema === null)
    throw new OperatorError(
      'the search_path names no schema that exists and that the role may use: create it, or grant usage on it',
    )
  return new Migrator({
    db: database,
    // Explicit schema: otherwise the migrator would mistake migration tables in another schema for its own.
    migrationTableSchema: schema,
    provider: {
      getMigrations: async () => {
        const names = (await readdir(folder)).filter((name) => name.endsWith('.sql'))
        const files = names.map(async (name) => {
          const migration = migrationOf(await readFile(join(folder, name), 'utf8'))
          return [name.slice(0, -'.sql'.length), migration] as const
        })
        return Object.fromEntries(await Promise.all(files))
      },
    },
  })
}

const maxRepetitions = 5

/**
 * Repeats `work` when it fails because a schema does not exist (3F000). Kysely lists the tables of all schemas, which
 * fails if another schema is dropped at that moment.
 */
const repeatAfterDroppedSchema = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  for (let repetitions = 0; ; repetitions++)
    try {
      return await work()
    } catch (error) {
      if (repetitions === maxRepetitions || !hasSqlState(error, '3F000')) throw error
    }
}

/** Thrown when the database lacks migrations and this process does not apply them. */
export class MigrationsPending extends Error {
  override readonly name = 'MigrationsPending'
}

/** The migrations in a folder: its SQL files, sorted by name. */
export const migrationsIn = (folder: string) => {
  /** Lists all migrations, sorted by name. `executedAt` is missing for pending ones. */
  const list = async <Tables>(database: Kysely<Tables>): Promise<readonly MigrationInfo[]> =>
    repeatAfterDroppedSchema(async () => (await migratorOf(database, folder)).getMigrations())

  return {
    list,

    /** Rejects with `MigrationsPending` unless the database has every migration. Throws like `apply`. */
    requireApplied: async <Tables>(database: Kysely<Tables>): Promise<void> => {
      await requireSuitableServer(database)
      const pending = (await list(database)).filter(({ executedAt }) => executedAt === undefined)
      if (pending.length > 0)
        throw new MigrationsPending(
          `pending migrations: ${pending.map(({ name }) => name).join(', ')}; apply them with db-migrate`,
        )
    },

    /**
     * Applies the pending migrations in order and resolves with their names. An advisory lock makes processes
     * that start at the same time take turns. All pending migrations share one transaction, so a failed one
     * rolls back all of them. Throws an `OperatorError` if the server is not suitable.
     */
    apply: async <Tables>(database: Kysely<Tables>): Promise<string[]> => {
      await requireSuitableServer(database)
      // If a newer version has applied migrations that this folder does not have, `migrateToLatest` would
      // throw. It is therefore not called when nothing is pending.
      if ((await list(database)).every(({ executedAt }) => executedAt !== undefined)) return []
      const migrator = await migratorOf(database, folder)
      const results = await repeatAfterDroppedSchema(async () => {
        const migrated = await migrator.migrateToLatest()
        if (migrated.error !== undefined) throw migrated.error
        return migrated.results ?? []
      })
      return results.map(({ migrationName }) => migrationName)
    },
  }
}

export type Migrations = ReturnType<typeof migrationsIn>
