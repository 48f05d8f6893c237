import { sql, type Transaction } from 'kysely'

/** Default privileges may let other roles write every new table. Which migrations have run is for the owner to say. */
const keepForOwner = sql`
  do $$
  declare grantee text;
  begin
    for grantee in
      select distinct case acl.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end
      from pg_class c, aclexplode(relacl) acl
      where c.oid = 'kysely_migration'::regclass and acl.grantee <> relowner
    loop
      execute 'revoke insert, update, delete, truncate on kysely_migration from ' || grantee;
    end loop;
  end $$
`

/** Creates Kysely's table if it is missing. In a transaction, Kysely would hide why it cannot create it, such as a missing right. */
export const createMigrationsTable = async <Tables>(turn: Transaction<Tables>): Promise<void> => {
  const { rows } = await sql<{ missing: boolean }>`
    select to_regclass(quote_ident(current_schema()) || '.kysely_migration') is null as missing
  `.execute(turn)
  if (rows[0]?.missing !== true) return
  await sql`
    create table kysely_migration (name varchar(255) primary key, timestamp varchar(255) not null)
  `.execute(turn)
  await keepForOwner.execute(turn)
}
