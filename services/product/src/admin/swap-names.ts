import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresConfig } from '@shop/postgres/database.ts'
import { hasSqlState } from '@shop/postgres/errors.ts'
import { type Client, escapeIdentifier } from 'pg'
import { connect, onDatabase } from './pg-tools.ts'
import { keepAssignedIds, mayRepeatIds } from './product-ids.ts'

type Names = Readonly<{ current: string; restored: string; kept: string }>

/** What the operator has to know: the previous database's new name if there was one, and a message about the ids. */
type Swapped = Readonly<{ kept: string | undefined; aboutIds: string | undefined }>

const pidOf = async (client: Client): Promise<unknown> =>
  (await client.query('select pg_backend_pid() as pid')).rows[0]?.pid

const lockQuery = `
  select from pg_locks join pg_database d on d.oid = objid
  where locktype = 'object' and classid = 'pg_database'::regclass and datname = $1
    and mode = 'AccessExclusiveLock' and granted and pid = $2`

/** Background workers have no user; PostgreSQL stops them itself. */
const closeQuery = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = $1 and usesysid is not null and pid is distinct from $2`

type Sessions = Readonly<{
  admin: Client
  /** A second session outside of the current database. */
  observer: Client
  /** The session on the current database that may stay for a while, if there is one. */
  reader: Client | undefined
}>

/**
 * Renames the current database. The rename first locks out new sessions, then waits five seconds until the existing
 * ones have ended. Meanwhile this closes all but the reader's, awaits `use`, and closes the reader's: what `use` reads
 * can no longer change.
 */
const renameCurrent = async (
  { admin, observer, reader }: Sessions,
  { current, kept }: Names,
  use: () => Promise<void>,
): Promise<void> => {
  const adminPid = await pidOf(admin)
  const readerPid = reader && (await pidOf(reader))
  const ended = new AbortController()
  const rename = async () => {
    try {
      await admin.query(`alter database ${escapeIdentifier(current)} rename to ${escapeIdentifier(kept)}`)
    } finally {
      ended.abort()
    }
  }
  const untilRows = async (rows: number, query: string, pid: unknown) => {
    while (!ended.signal.aborted && (await observer.query(query, [current, pid])).rowCount !== rows)
      await delay(10)
  }
  const vacate = async () => {
    try {
      await untilRows(1, lockQuery, adminPid)
      await untilRows(0, closeQuery, readerPid)
      await use()
    } finally {
      await reader?.end()
    }
  }
  for (const result of await Promise.allSettled([vacate(), rename()]))
    if (result.status === 'rejected') throw result.reason
}

/** Renames the current database to `kept`, if it exists, and the restored one to `current`, in one transaction. */
const trySwap = async (config: PostgresConfig, admin: Client, names: Names): Promise<Swapped> => {
  const { current, restored } = names
  await using stack = new AsyncDisposableStack()
  const open = async (name: string) => stack.adopt(await connect(config, name), (client) => client.end())
  let aboutIds: string | undefined

  await admin.query('begin')
  const { rows } = await admin.query('select oid from pg_database where datname = $1', [current])
  if (rows.length === 1) {
    const observer = await open('postgres')
    const reader = await open(current).catch((error: unknown) => {
      aboutIds = mayRepeatIds(error)
      return undefined
    })
    await renameCurrent({ admin, observer, reader }, names, async () => {
      if (reader !== undefined)
        aboutIds = await onDatabase(config, restored, (client) => keepAssignedIds(reader, client))
    })
  }
  await admin.query(`alter database ${escapeIdentifier(restored)} rename to ${escapeIdentifier(current)}`)
  const kept = await admin.query('select datname from pg_database where oid = $1', [rows[0]?.oid])
  await admin.query('commit')
  return { kept: kept.rows[0]?.datname, aboutIds }
}

/** Tries three times, because a session may take longer than five seconds to end (55006). */
export const swapNames = async (config: PostgresConfig, admin: Client, names: Names): Promise<Swapped> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await trySwap(config, admin, names)
    } catch (error) {
      // A failed rollback means that the connection is lost. The error that led here says why.
      const rolledBack = await admin.query('rollback').catch(() => undefined)
      if (attempt === 3 || rolledBack === undefined || !hasSqlState(error, '55006')) throw error
    }
  }
}
