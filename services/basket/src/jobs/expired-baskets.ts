import { systemContext } from '@shop/kernel/context.ts'
import type { Job } from '@shop/platform/job.ts'
import type { UseCases } from '../application/use-cases.ts'

/** The job that removes expired baskets, for a store that does not do that by itself. */
export const expiredBaskets = (use: Pick<UseCases, 'removeExpiredBaskets'>): Job => ({
  name: 'expired-baskets',
  pauseMs: 10_000,
  work: () => use.removeExpiredBaskets({}, systemContext('expired-baskets')),
})
