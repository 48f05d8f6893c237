import { withDeadline } from '@shop/platform/resilience/deadline.ts'

/** A connection to a hung server never closes by itself, so closing has a time limit. */
const closeLimitMs = 1_000

/** Closes the connections. Waits for at most a second, and never rejects. */
export const closePostgres = (database: Readonly<{ destroy: () => Promise<void> }>): Promise<void> =>
  withDeadline(closeLimitMs, 'the database did not close', database.destroy()).catch(() => {})
