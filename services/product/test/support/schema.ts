import { sql } from 'kysely'
import type { Database } from '../../src/infrastructure/products-table.ts'

/** Runs the statements, which are separated by a semicolon and a space. */
export const execute = async (database: Database, statements: string): Promise<void> => {
  for (const statement of statements.split('; ')) await sql.raw(statement).execute(database)
}

/** Statements that create a trigger before these operations. The body must end with `return`. */
export const trigger = (operation: string, body: string): string =>
  `create function intervene() returns trigger language plpgsql as $$ begin ${body};end $$; create trigger intervene before ${operation} on products for each row execute function intervene()`
