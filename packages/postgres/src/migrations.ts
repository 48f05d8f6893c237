import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'
import { hasSqlState } from './errors.ts'
import { batchesOf, inTransaction, type MigrationFile, readMigrations } from './migrations/files.ts'
import { inTurn } from './migrations/turn.ts'
import { requireSuitableServer } from './server-requirements.ts'

const run = async <Tables>(database: Kysely<Tables>, { statements }: MigrationFile): Promise<void> => {
  for (const statement of statements) await sql.raw(statement).execute(database)
}

/** A concurrent migration has run when the migrator gets to it, and is only recorded. */
const migrationOf = (file: MigrationFile): Migration => ({
  up: async (database) => {
    if (!file.concurrent) await run(database, file)
  },
})

const migratorOf = async <Tables>(
  database: Kysely<Tables>,
  files: readonly MigrationFile[],
): Promise<Migrator> => {
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
      getMigrations: async () => Object.fromEntries(files.map((file) => [file.name, migrationOf(file)])),
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

/** Applies the migrations up to the given one in a transaction, and resolves with their names. */
const migrateTo = async <Tables>(
  database: Kysely<Tables>,
  files: readonly MigrationFile[],
  name: string,
): Promise<string[]> => {
  const migrator = await migratorOf(database, files)
  const { error, results = [] } = await migrator.migrateTo(name)
  if (error !== undefined) throw error
  return results.map(({ migrationName }) => migrationName)
}

/** Applies the pending migrations to a database that has some already, where building an index must not block writes. */
const upgrade = async <Tables>(
  database: Kysely<Tables>,
  files: readonly MigrationFile[],
  pendingOf: (database: Kysely<Tables>) => Promise<readonly MigrationFile[]>,
): Promise<string[]> =>
  database.connection().execute((connection) =>
    inTurn(connection, async () => {
      const applied: string[] = []
      for (const batch of batchesOf(await pendingOf(connection))) {
        const last = batch.at(-1)
        if (last === undefined) continue
        if (last.concurrent) await run(connection, last)
        applied.push(...(await migrateTo(connection, files, last.name)))
      }
      return applied
    }),
  )

/** Thrown when the database lacks migrations and this process does not apply them. */
export class MigrationsPending extends Error {
  override readonly name = 'MigrationsPending'
}

/** The migrations in a folder: its SQL files, sorted by name. */
export const migrationsIn = (folder: string) => {
  /** Lists all migrations, sorted by name. `executedAt` is missing for pending ones. */
  const list = async <Tables>(database: Kysely<Tables>): Promise<readonly MigrationInfo[]> =>
    repeatAfterDroppedSchema(async () =>
      (await migratorOf(database, await readMigrations(folder))).getMigrations(),
    )

  const pendingOf = async <Tables>(database: Kysely<Tables>): Promise<readonly MigrationFile[]> => {
    const pending = (await list(database)).filter(({ executedAt }) => executedAt === undefined)
    return (await readMigrations(folder)).filter((file) => pending.some(({ name }) => name === file.name))
  }

  return {
    list,

    /** Rejects with `MigrationsPending` unless the database has every migration. Throws like `apply`. */
    requireApplied: async <Tables>(database: Kysely<Tables>): Promise<void> => {
      await requireSuitableServer(database)
      const pending = await pendingOf(database)
      if (pending.length > 0)
        throw new MigrationsPending(
          `pending migrations: ${pending.map(({ name }) => name).join(', ')}; apply them with db-migrate`,
        )
    },

    /**
     * Applies the pending migrations in order and resolves with their names. An advisory lock makes processes
     * that start at the same time take turns. Pending migrations share one transaction, so a failed one rolls back
     * all of them, except that a concurrent one in a database that is not new runs alone, without a transaction. If it
     * fails, what it has done remains, so it must be repeatable. Throws an `OperatorError` if the server is not suitable.
     */
    apply: async <Tables>(database: Kysely<Tables>): Promise<string[]> => {
      await requireSuitableServer(database)
      // If a newer version has applied migrations that this folder does not have, the migrator would
      // throw. It is therefore not called when nothing is pending.
      const pending = await pendingOf(database)
      const last = pending.at(-1)
      if (last === undefined) return []
      const files = await readMigrations(folder)
      const isNew = pending.length === files.length
      return repeatAfterDroppedSchema(() =>
        isNew
          ? migrateTo(database, files.map(inTransaction), last.name)
          : upgrade(database, files, pendingOf),
      )
    },
  }
}

export type Migrations = ReturnType<typeof migrationsIn>
