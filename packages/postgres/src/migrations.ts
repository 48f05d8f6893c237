import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { type Kysely, sql, type Transaction } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'
import { hasSqlState } from './errors.ts'
import { batchesOf, inTransaction, type MigrationFile, readMigrations } from './migrations/files.ts'
import { createMigrationsTable } from './migrations/table.ts'
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

/** A schema, a table or a column does not exist. */
const missingStates = ['3F000', '42P01', '42703']

/**
 * Repeats `work` when it fails because something does not exist. Kysely lists the columns of all schemas, which fails if one
 * of them is dropped at that moment.
 */
const repeatAfterDrop = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  for (let repetitions = 0; ; repetitions++)
    try {
      return await work()
    } catch (error) {
      if (repetitions === maxRepetitions || !missingStates.some((state) => hasSqlState(error, state)))
        throw error
    }
}

/** Applies the migrations up to the given one in this transaction, and resolves with their names. */
const migrateTo = async <Tables>(
  turn: Transaction<Tables>,
  files: readonly MigrationFile[],
  name: string,
): Promise<string[]> => {
  const migrator = await migratorOf(turn, files)
  await createMigrationsTable(turn)
  const { error, results = [] } = await migrator.migrateTo(name)
  if (error !== undefined) throw error
  return results.map(({ migrationName }) => migrationName)
}

/** Thrown when the database lacks migrations and this process does not apply them. */
export class MigrationsPending extends Error {
  override readonly name = 'MigrationsPending'
}

const listIn = async <Tables>(database: Kysely<Tables>, folder: string): Promise<readonly MigrationInfo[]> =>
  (await migratorOf(database, await readMigrations(folder))).getMigrations()

const pendingIn = async <Tables>(
  database: Kysely<Tables>,
  folder: string,
): Promise<readonly MigrationFile[]> => {
  const list = await listIn(database, folder)
  const pending = new Set(list.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name))
  return (await readMigrations(folder)).filter(({ name }) => pending.has(name))
}

/**
 * Applies the next batch of pending migrations, and resolves with their names: none if nothing is pending. In a database
 * that has migrations already, building an index must not block writes, unless this process is the only one that uses it.
 */
const applyNext = <Tables>(database: Kysely<Tables>, folder: string): Promise<string[]> =>
  inTurn(database, async (turn) => {
    const all = await readMigrations(folder)
    const pending = await pendingIn(turn, folder)
    const isUsedByOthers = turn.getExecutor().adapter.supportsMultipleConnections !== false
    const mayBlock = pending.length === all.length || !isUsedByOthers
    const files = mayBlock ? all.map(inTransaction) : all
    const names = new Set(pending.map(({ name }) => name))
    const last = batchesOf(files.filter(({ name }) => names.has(name)))[0]?.at(-1)
    if (last === undefined) return []
    // On another connection: the turn's transaction only holds the lock meanwhile.
    if (last.concurrent) await run(database, last)
    return migrateTo(turn, files, last.name)
  })

/** The migrations in a folder: its SQL files, sorted by name. */
export const migrationsIn = (folder: string) => {
  const list = <Tables>(database: Kysely<Tables>) => repeatAfterDrop(() => listIn(database, folder))
  const pendingOf = <Tables>(database: Kysely<Tables>) => repeatAfterDrop(() => pendingIn(database, folder))

  return {
    /** Lists all migrations, sorted by name. `executedAt` is missing for pending ones. */
    list,

    /** Rejects with `MigrationsPending` unless the database has every migration. Throws like `apply`. */
    requireApplied: async <Tables>(database: Kysely<Tables>): Promise<void> => {
      await requireSuitableServer(database)
      const pending = await pendingOf(database)
      const names = pending.map(({ name }) => name).join(', ')
      if (pending.length > 0)
        throw new MigrationsPending(`pending migrations: ${names}; apply them with db-migrate`)
    },

    /**
     * Applies the pending migrations in order and resolves with their names. An advisory lock makes processes
     * that start at the same time take turns. Pending migrations share one transaction, so a failed one rolls back
     * all of them, except that a concurrent one in a database that is not new runs alone, without a transaction. If it
     * fails, what it has done remains, so it must be repeatable. Rejects with a lock timeout (`isContended`) when a
     * transaction waits for a lock for longer than requests may wait: try again later. Throws an `OperatorError` if
     * the server is not suitable.
     */
    apply: async <Tables>(database: Kysely<Tables>): Promise<string[]> => {
      await requireSuitableServer(database)
      const applied: string[] = []
      // If a newer version has applied migrations that this folder does not have, the migrator would
      // throw. It is therefore not called when nothing is pending.
      while ((await pendingOf(database)).length > 0)
        applied.push(...(await repeatAfterDrop(() => applyNext(database, folder))))
      return applied
    },
  }
}

export type Migrations = ReturnType<typeof migrationsIn>
