import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'

/** A file is a list of statements, each of which ends with a semicolon at the end of a line. */
const migrationOf = (text: string): Migration => ({
  up: async (database) => {
    for (const statement of text.split(/;\s*$/m))
      if (statement.trim() !== '') await sql.raw(statement).execute(database)
  },
})

const migratorOf = async <Tables>(database: Kysely<Tables>, folder: string): Promise<Migrator> => {
  const { rows } = await sql<{ schema: string }>`select current_schema() as schema`.execute(database)
  const schema = rows[0]?.schema
  if (schema === undefined)
    throw new Error('current_schema() is null: the search_path names no existing schema')
  return new Migrator({
    db: database,
    // Named, or else the migrator takes its tables in any other schema for its own.
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

/** The database lacks migrations, and somebody else is to apply them. */
export class MigrationsPending extends Error {
  override readonly name = 'MigrationsPending'
}

/** The migrations that are the SQL files of a folder, in the order of their names. */
export const migrationsIn = (folder: string) => {
  /** Every migration, in order; `executedAt` is missing for those that are pending. */
  const list = async <Tables>(database: Kysely<Tables>): Promise<readonly MigrationInfo[]> =>
    (await migratorOf(database, folder)).getMigrations()

  return {
    list,

    /** Rejects with `MigrationsPending` unless the database has every migration. */
    requireApplied: async <Tables>(database: Kysely<Tables>): Promise<void> => {
      const pending = (await list(database)).filter(({ executedAt }) => executedAt === undefined)
      if (pending.length > 0)
        throw new MigrationsPending(
          `pending migrations: ${pending.map(({ name }) => name).join(', ')}; apply them with db-migrate`,
        )
    },

    /**
     * Applies the migrations that the database has not seen, in order, each once: an advisory lock keeps out others that
     * start at the same time. All in one transaction, so that a failed one leaves nothing behind. Resolves with the names
     * of those applied.
     */
    apply: async <Tables>(database: Kysely<Tables>): Promise<string[]> => {
      const migrator = await migratorOf(database, folder)
      // Asked first, for a newer version may have gone further: the migrator refuses a database that knows more than it.
      if ((await migrator.getMigrations()).every(({ executedAt }) => executedAt !== undefined)) return []
      const { error, results } = await migrator.migrateToLatest()
      if (error !== undefined) throw error
      return (results ?? []).map(({ migrationName }) => migrationName)
    },
  }
}

export type Migrations = ReturnType<typeof migrationsIn>
