import { type Client, escapeIdentifier, escapeLiteral } from 'pg'

type Grant = Readonly<{ grantee: string; privilege: string; grantable: boolean }>
type Setting = Readonly<{ role: string | null; assignments: readonly string[] }>

/** The properties of a database that a dump does not contain. */
export type DatabaseProperties = Readonly<{
  owner: string
  /** Options of `create database` in SQL. */
  options: string
  /** Null if the database has the default privileges. */
  grants: readonly Grant[] | null
  settings: readonly Setting[]
}>

/** Columns that only some versions of PostgreSQL have are read from the row as JSON. */
const propertiesQuery = `
  select
    pg_get_userbyid(datdba) as owner,
    format('encoding %L lc_collate %L lc_ctype %L connection limit %s',
      pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit)
      || case when spcname = 'pg_default' then '' else format(' tablespace %I', spcname) end
      || case columns ->> 'datlocprovider'
        when 'c' then ' locale_provider libc'
        when 'i' then format(' locale_provider icu icu_locale %L', coalesce(columns ->> 'datlocale', columns ->> 'daticulocale'))
          || coalesce(format(' icu_rules %L', columns ->> 'daticurules'), '')
        when 'b' then format(' locale_provider builtin builtin_locale %L', columns ->> 'datlocale')
        else '' end as options,
    (select json_agg(json_build_object(
        'grantee', case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
        'privilege', privilege_type,
        'grantable', is_grantable))
      from aclexplode(datacl)) as grants,
    (select coalesce(json_agg(json_build_object('role', rolname, 'assignments', setconfig)), '[]')
      from pg_db_role_setting left join pg_roles on pg_roles.oid = setrole
      where setdatabase = d.oid) as settings
  from pg_database d join pg_tablespace t on t.oid = dattablespace, to_jsonb(d) columns
  where datname = $1`

/** Resolves with undefined if there is no such database. */
export const readProperties = async (admin: Client, name: string): Promise<DatabaseProperties | undefined> =>
  (await admin.query<DatabaseProperties>(propertiesQuery, [name])).rows[0]

/** Creates an empty database, with the encoding, locale and owner of `properties` if they are given. */
export const createDatabase = async (
  admin: Client,
  name: string,
  properties: DatabaseProperties | undefined,
): Promise<void> => {
  const options =
    properties && `template template0 owner ${escapeIdentifier(properties.owner)} ${properties.options}`
  await admin.query(`create database ${escapeIdentifier(name)} ${options ?? ''}`)
}

const grantsIn = (database: string, { owner, grants }: DatabaseProperties): string[] =>
  grants === null
    ? []
    : [
        `revoke all on database ${database} from public, ${escapeIdentifier(owner)}`,
        ...grants.map(
          ({ grantee, privilege, grantable }) =>
            `grant ${privilege} on database ${database} to ${grantee}${grantable ? ' with grant option' : ''}`,
        ),
      ]

/** The settings whose value is a list of identifiers (GUC_LIST_QUOTE in PostgreSQL's source). */
const listSettings = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
])

/** A stored list such as `"$user", public` as literals: one literal of the whole would be a single identifier. */
const literalsOf = (list: string): string =>
  Array.from(list.matchAll(/"((?:[^"]|"")*)"|[^,\s"]+/g), ([bare, quoted]) =>
    escapeLiteral(quoted === undefined ? bare : quoted.replaceAll('""', '"')),
  ).join(', ') || "''"

const settingsIn = (database: string, { settings }: DatabaseProperties): string[] =>
  settings.flatMap(({ role, assignments }) =>
    assignments.map((assignment) => {
      const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(assignment) ?? []
      const target =
        role === null
          ? `alter database ${database}`
          : `alter role ${escapeIdentifier(role)} in database ${database}`
      const parameter = name.split('.').map(escapeIdentifier).join('.')
      return `${target} set ${parameter} to ${listSettings.has(name) ? literalsOf(value) : escapeLiteral(value)}`
    }),
  )

/** Gives the database the grants, and the settings for all roles and for single ones. */
export const applyProperties = async (
  admin: Client,
  name: string,
  properties: DatabaseProperties,
): Promise<void> => {
  const database = escapeIdentifier(name)
  for (const statement of [...grantsIn(database, properties), ...settingsIn(database, properties)])
    await admin.query(statement)
}
