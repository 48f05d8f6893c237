import { type Client, escapeIdentifier } from 'pg'

/**
 * Closes the connections to `current`, renames it to `kept` if it exists, and renames `restored` to
 * `current`, in one transaction.
 */
const trySwap = async (admin: Client, current: string, restored: string, kept: string): Promise<void> => {
  await admin.query('begin')
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [current])
  if ((await admin.query('select from pg_database where datname = $1', [current])).rowCount === 1)
    await admin.query(`alter database ${escapeIdentifier(current)} rename to ${escapeIdentifier(kept)}`)
  await admin.query(`alter database ${escapeIdentifier(restored)} rename to ${escapeIdentifier(current)}`)
  await admin.query('commit')
}

/** Tries up to ten times, because a service may reconnect before the database is renamed. */
export const swapNames = async (...names: Parameters<typeof trySwap>): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await trySwap(...names)
    } catch (error) {
      // A failed rollback means that the connection is lost. The error that led here says why.
      const rolledBack = await names[0].query('rollback').catch(() => undefined)
      if (attempt === 10 || rolledBack === undefined) throw error
    }
  }
}
