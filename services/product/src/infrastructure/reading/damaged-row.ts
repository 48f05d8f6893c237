import { UnreadableRow } from '@shop/postgres/errors.ts'

/** Whether a read failed because of one row, and not because of an outage. Both are `unavailable`. */
export const isDamagedRow = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof UnreadableRow
