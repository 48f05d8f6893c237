import { withDeadline } from '@shop/platform/resilience/deadline.ts'

/** A connection to a server that hangs does not close by itself. */
const closeLimitMs = 1_000

/** Closes the connections, and waits a second for that at most. */
export const closePostgres = (database: Readonly<{ destroy: () => Promise<void> }>): Promise<void> =>
  withDeadline(closeLimitMs, 'the database did not close', database.destroy()).catch(() => {})
