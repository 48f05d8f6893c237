import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'

const pauseMs = 100

const key = sql`hashtext('migrations of ' || current_schema())`

/**
 * Runs `work` while no other process runs such work on the same schema. `connection` must be a single connection.
 * The lock is polled: a statement that waits for it would have a snapshot, and indexes that are built concurrently
 * wait for all older snapshots, so both would wait for each other.
 */
export const inTurn = async <Tables, Result>(
  connection: Kysely<Tables>,
  work: () => Promise<Result>,
): Promise<Result> => {
  for (;;) {
    const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_lock(${key}) as locked`.execute(
      connection,
    )
    if (rows[0]?.locked === true) break
    await delay(pauseMs)
  }
  try {
    return await work()
  } finally {
    // If it fails, the connection is lost, and the lock with it.
    await sql`select pg_advisory_unlock(${key})`.execute(connection).catch(() => {})
  }
}
