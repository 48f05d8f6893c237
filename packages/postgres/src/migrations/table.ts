import { sql, type Transaction } from 'kysely'

/** Creates Kysely's table if it is missing. In a transaction, Kysely would hide why it cannot create it, such as a missing right. */
export const createMigrationsTable = async <Tables>(turn: Transaction<Tables>): Promise<void> => {
  const { rows } = await sql<{ missing: boolean }>`
    select to_regclass(quote_ident(current_schema()) || '.kysely_migration') is null as missing
  `.execute(turn)
  if (rows[0]?.missing === true)
    await sql`
      create table kysely_migration (name varchar(255) primary key, timestamp varchar(255) not null)
    `.execute(turn)
}
