import { requestContext } from '@shop/platform/request-context.ts'
import type { AbortableQueryOptions } from 'kysely'

/**
 * What becomes of a statement that nobody waits for any more: PostgreSQL is told to stop it, or it goes on to its end,
 * where it cannot be told: in PGlite, with its one connection, and behind PgBouncer, which hides the sessions.
 */
export type OnAbort = NonNullable<AbortableQueryOptions['inflightQueryAbortStrategy']>

/** For a statement that a request waits for, until its caller stops waiting. */
export const whileWanted = (onAbort: OnAbort): AbortableQueryOptions => ({
  signal: requestContext.getStore()?.signal,
  inflightQueryAbortStrategy: onAbort,
})
