import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { type Kysely, sql } from 'kysely'
import { turnKey } from './turn.ts'

const maxSessions = 4
const limitMs = 2_000

type Session = Readonly<{ pid: number; name: string; state: string | null; since: string; migrates: boolean }>

const describe = ({ pid, name, state, since, migrates }: Session): string =>
  `pid ${pid} (${name || 'no application_name'}, ${state ?? 'state unknown'}, since ${since}${migrates ? ', holds the lock of migrations' : ''})`

/**
 * Describes the sessions for which a migration may wait: the one that holds the lock of migrations, which may be of
 * this process, and those with the oldest transactions of the database.
 */
export const blockersOf = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> => {
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
  return rows.map(describe)
}

/** Like `blockersOf`, for messages: what is unknown is left out. */
export const knownBlockersOf = async <Tables>(database: Kysely<Tables>): Promise<readonly string[]> =>
  withDeadline(limitMs, 'no response', blockersOf(database)).catch(() => [])
