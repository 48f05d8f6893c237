import type { ClientBase } from 'pg'

/** A setting's name and value. */
type Settings = Readonly<Record<string, string>>

/**
 * Settings that the code relies on. The server, a database or a role may have other defaults. Updates rely on
 * read committed: after waiting for a row's lock, they see the row as the other transaction left it. Without row_security,
 * a statement from which a policy would hide rows fails (42501).
 */
const settings = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  default_transaction_isolation: 'read committed',
  row_security: 'off',
} as const satisfies Settings

/** A session keeps the settings that it started with. After this time, a changed setting applies everywhere. */
export const maxSessionSeconds = 600

/** Migrations may take long or wait for each other. In a transaction, they wait for locks only briefly (`inTurn`). */
export const withoutTimeouts = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
} as const satisfies Settings

/**
 * Settings for prepared statements that read ranges of indexes, whatever the values are. The server would plan them anew for
 * each execution if a value, such as a limit or a short array, made a plan look cheaper: that took 40 µs of a read by ids, and
 * 200 µs of an update. A plan is kept while a table grows, so it must not be the one for an empty table, a sequential scan.
 *
 * These settings also apply to an operator's triggers and foreign keys. Where those have no index, the scan counts as so
 * expensive that the server would compile it, which took 200 to 500 ms for each row.
 */
export const plannedOnce = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  jit: 'off',
} as const satisfies Settings

/** Converts the settings to the startup parameter `options`, where a space in a value needs a backslash. */
export const startupOptions = (more: Settings = {}): string =>
  Object.entries({ ...settings, ...more })
    .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
    .join(' ')

/** Thrown when a session does not have the settings that the code relies on. */
export class UnsuitableSession extends Error {
  override readonly name = 'UnsuitableSession'
}

type SessionRow = Readonly<{ style: string; isolation: string }>

/** Any time zone is suitable, because timestamps in DateStyle ISO contain their offset from UTC. */
const unsuitabilityOf = ({ style, isolation }: SessionRow): UnsuitableSession | undefined =>
  style.startsWith('ISO') && isolation === settings.default_transaction_isolation
    ? undefined
    : new UnsuitableSession(
        `the database has DateStyle '${style}' and default_transaction_isolation '${isolation}'; ` +
          "change them with ALTER DATABASE … SET or ALTER ROLE … SET to 'ISO' and 'read committed', " +
          "then enter RECONNECT in PgBouncer's console, because its sessions keep their settings",
      )

/**
 * A pool's `verify` option for PgBouncer, which refuses startup options. Refuses a session in which timestamps
 * or transactions would not be as the code expects.
 */
export const verifySession = (client: ClientBase, done: (error?: Error) => void): void =>
  client.query<SessionRow>(
    `select current_setting('DateStyle') as style,
      current_setting('default_transaction_isolation') as isolation`,
    (error: Error | null, result) => {
      const [row] = error === null ? result.rows : []
      done(row === undefined ? (error ?? new Error('the session cannot be verified')) : unsuitabilityOf(row))
    },
  )
