import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type Kysely, sql } from 'kysely'
import { turnKey } from './turn.ts'

const maxSessions = 4
const limitMs = 2_000

/** State and time are null for sessions of other roles, unless this role has `pg_read_all_stats`. */
type Session = Readonly<{
  pid: number
  name: string
  state: string | null
  since: string | null
  migrates: boolean
}>

const describe = ({ pid, name, state, since, migrates }: Session): string => {
  const parts = [
    name || 'no application_name',
    state ?? 'state unknown',
    `since ${since ?? 'an unknown time'}`,
    ...(migrates ? ['holds the lock of migrations'] : []),
  ]
  return `pid ${pid} (${parts.join(', ')})`
}

/**
 * The session that holds the lock of migrations comes first, then those with the oldest transactions of the database.
 * Every transaction has a lock on its virtual id, which all roles may see.
 */
const sessionsOf = async <Tables>(database: Kysely<Tables>): Promise<readonly Session[]> => {
  const { rows } = await sql<Session>`
    with busy as (
      select pid, bool_or(
        locktype = 'advisory' and objsubid = 1 and (classid::bigint << 32 | objid::bigint) = ${turnKey}
      ) as migrates
      from pg_locks where granted and locktype in ('virtualxid', 'advisory') group by pid
    )
    select pid, application_name as name, state, migrates,
      to_char(coalesce(xact_start, backend_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
    from busy join pg_stat_activity using (pid)
    where datname = current_database() and pid <> pg_backend_pid()
    order by migrates desc, coalesce(xact_start, backend_start) nulls first limit ${maxSessions}
  `.execute(database)
  return rows
}

/** Describes the session that holds the lock of migrations. */
export const migratingSessions = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> =>
  (await sessionsOf(database)).filter(({ migrates }) => migrates).map(describe)

/**
 * For messages: describes the sessions for which a migration may wait. The one that holds the lock of migrations may be
 * of this process. Resolves with undefined if the server does not answer.
 */
export const blockersOf = async <Tables>(database: Kysely<Tables>): Promise<readonly string[] | undefined> =>
  (await withDeadline(limitMs, 'no response', sessionsOf(database)).catch(() => undefined))?.map(describe)
