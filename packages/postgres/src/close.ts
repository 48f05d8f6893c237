import { withDeadline } from '@shop/platform/resilience/deadline.ts'

/** Needed because a connection to a hung server does not close by itself. */
const closeLimitMs = 1_000

/** Closes the connections. Waits for at most a second, and never rejects. */
export const closePostgres = (database: Readonly<{ destroy: () => Promise<void> }>): Promise<void> =>
  withDeadline(closeLimitMs, 'the database did not close', database.destroy()).catch(() => {})
