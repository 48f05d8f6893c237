import { type Kysely, sql } from 'kysely'
import { migratingSessions } from './blockers.ts'

/** Describes a migration that runs, and indexes that one has not finished, which cannot be used. */
export const unfinishedIn = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> => {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_index join pg_class on pg_class.oid = indexrelid
    where not indisvalid and relnamespace = current_schema()::regnamespace order by relname
  `.execute(database)
  const sessions = await migratingSessions(database)
  return [
    ...sessions.map((session) => `a migration runs: ${session}`),
    ...rows.map(({ name }) => `invalid index ${name}: it is being built, or its build was interrupted`),
  ]
}
