import { requestContext } from '@shop/platform/request-context.ts'
import { type AbortableQueryOptions, type Kysely, sql } from 'kysely'

/**
 * What becomes of a statement that nobody waits for any more: PostgreSQL is told to stop it, or it goes on to its end,
 * where it cannot be told: in PGlite, with its one connection, and behind PgBouncer, which hides the sessions.
 */
export type OnAbort = NonNullable<AbortableQueryOptions['inflightQueryAbortStrategy']>

/** For a statement that a request waits for, until its caller stops waiting. */
export const cancelWithCaller = (onAbort: OnAbort): AbortableQueryOptions => ({
  signal: requestContext.getStore()?.signal,
  inflightQueryAbortStrategy: onAbort,
})

/**
 * A transaction that a request waits for, until its caller stops waiting: then the statement that runs is stopped. Not by
 * Kysely's own means, which take the ROLLBACK that follows for the statement and leave it alone.
 */
export const transactionWithCaller = <Tables, Result>(
  database: Kysely<Tables>,
  onAbort: OnAbort,
  work: (transaction: Kysely<Tables>) => Promise<Result>,
): Promise<Result> =>
  database.transaction().execute(async (transaction) => {
    const signal = requestContext.getStore()?.signal
    if (signal === undefined || onAbort === 'ignore query') return work(transaction)
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
    const pid = rows[0]?.pid
    let cancelled: Promise<unknown> | undefined
    const cancel = () => {
      cancelled = sql`select pg_cancel_backend(${pid})`.execute(database).catch(() => {})
    }
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      return await work(transaction)
    } finally {
      signal.removeEventListener('abort', cancel)
      // Until then the session is ours: what comes later must not stop the statement of somebody else.
      await cancelled
    }
  })
