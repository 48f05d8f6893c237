import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type Kysely, sql } from 'kysely'
import { turnKey } from './turn.ts'

const maxSessions = 4
const limitMs = 2_000

type Session = Readonly<{ pid: number; name: string; state: string | null; since: string; migrates: boolean }>

const describe = ({ pid, name, state, since, migrates }: Session): string =>
  `pid ${pid} (${name || 'no application_name'}, ${state ?? 'state unknown'}, since ${since}${migrates ? ', holds the lock of migrations' : ''})`

/** The session that holds the lock of migrations comes first, then those with the oldest transactions of the database. */
const sessionsOf = async <Tables>(database: Kysely<Tables>): Promise<readonly Session[]> => {
  const { rows } = await sql<Session>`
    with sessions as (
      select pid, application_name as name, state, coalesce(xact_start, backend_start) as began,
        xact_start is not null as busy,
        exists (
          select from pg_locks where pg_locks.pid = activity.pid and locktype = 'advisory' and granted
            and database = datid and objsubid = 1 and (classid::bigint << 32 | objid::bigint) = ${turnKey}
        ) as migrates
      from pg_stat_activity as activity
      where datname = current_database() and pid <> pg_backend_pid()
    )
    select pid, name, state, migrates, to_char(began at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
    from sessions where busy or migrates order by migrates desc, began limit ${maxSessions}
  `.execute(database)
  return rows
}

/** Describes the session that holds the lock of migrations. */
export const migratingSessions = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> =>
  (await sessionsOf(database)).filter(({ migrates }) => migrates).map(describe)

/**
 * For messages: describes the sessions for which a migration may wait. The one that holds the lock of migrations may be
 * of this process. Resolves with none if the server does not answer.
 */
export const blockersOf = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> =>
  (await withDeadline(limitMs, 'no response', sessionsOf(database)).catch(() => [])).map(describe)
