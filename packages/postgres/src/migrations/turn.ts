import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql, type Transaction } from 'kysely'

const pauseMs = 100

/** The key of the advisory lock. */
export const turnKey = sql`hashtext('migrations of ' || current_schema())::bigint`

/** The longest wait for a table's lock: meanwhile, all later statements on the table wait, too. */
const maxLockWaitMs = 500

/** The server must not end a transaction that only holds the lock. Older servers lack some of the settings. */
const allowIdleness = sql`
  select set_config(name, '0', true) from pg_settings
  where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')
`

/**
 * Runs `work` in a transaction that keeps other processes from running such work on the same schema. In the transaction,
 * a statement fails (55P03) instead of waiting long for a lock.
 *
 * The lock belongs to the transaction. A lock of a session would stay with PgBouncer's connection to the server. The lock
 * is polled: a statement that waits for it would have a snapshot, and indexes that are built concurrently wait for all
 * older snapshots, so both would wait for each other. An idle transaction has none if it is read committed.
 */
export const inTurn = async <Tables, Result>(
  database: Kysely<Tables>,
  work: (turn: Transaction<Tables>) => Promise<Result>,
): Promise<Result> => {
  for (;;) {
    const outcome = await database
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (turn) => {
        const { rows } = await sql<{ locked: boolean }>`
          select pg_try_advisory_xact_lock(${turnKey}) as locked
        `.execute(turn)
        if (rows[0]?.locked !== true) return undefined
        await allowIdleness.execute(turn)
        await sql`set local lock_timeout = ${sql.lit(maxLockWaitMs)}`.execute(turn)
        return { result: await work(turn) }
      })
    if (outcome !== undefined) return outcome.result
    await delay(pauseMs)
  }
}
