import type { Client } from 'pg'

/** A statement, and the schema or relation that it applies to, quoted. */
type Right = Readonly<{ schema: string; relation: string | null; statement: string }>

export type Rights = readonly Right[]

/**
 * The owners of relations and the rights that others have on schemas, relations and columns. A sequence that belongs to
 * a column has the owner of its table.
 */
const rightsQuery = `
  with schemas as (
    select oid, quote_ident(nspname) as name, nspowner, nspacl from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'
  ), relations as (
    select c.oid, s.name as schema, s.name || '.' || quote_ident(relname) as name, relowner as owner, relacl as acl,
      case relkind when 'S' then 'sequence' else 'table' end as kind
    from pg_class c join schemas s on s.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  ), owners as (
    select schema, name as relation, format('alter %s %s owner to %I', kind, name, pg_get_userbyid(owner)) as statement
    from relations r
    where not exists (
      select from pg_depend where classid = 'pg_class'::regclass and objid = r.oid and kind = 'sequence' and deptype in ('a', 'i'))
  ), acls as (
    select name as schema, null as relation, '' as columns, 'schema ' || name as target, nspowner as owner, nspacl as acl from schemas
    union all
    select schema, name, '', kind || ' ' || name, owner, acl from relations
    union all
    select schema, name, format(' (%I)', attname), 'table ' || name, owner, attacl
    from relations r join pg_attribute on attrelid = r.oid where attacl is not null
  )
  select schema, relation, statement from owners
  union all
  select schema, relation, format('grant %s%s on %s to %s%s', privilege_type, columns, target,
    case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
    case when is_grantable then ' with grant option' else '' end)
  from acls cross join aclexplode(acl) where grantee <> owner
  order by statement`

export const readRights = async (client: Client): Promise<Rights> =>
  (await client.query<Right>(rightsQuery)).rows

/** Applies the rights whose schema or relation exists, in one transaction. Owners come first. */
export const applyRights = async (client: Client, rights: Rights): Promise<void> => {
  await client.query('begin')
  for (const { schema, relation, statement } of rights) {
    const found = await client.query(
      'select where to_regnamespace($1) is not null and ($2::text is null or to_regclass($2) is not null)',
      [schema, relation],
    )
    if (found.rowCount === 1) await client.query(statement)
  }
  await client.query('commit')
}
