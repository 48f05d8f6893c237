import { systemContext } from '@shop/kernel/context.ts'
import type { Job } from '@shop/platform/process/jobs.ts'
import type { UseCases } from '../application/use-cases.ts'

/** Removes expired baskets where the store does not do that by itself. */
export const expiredBaskets = (use: Pick<UseCases, 'removeExpiredBaskets'>): Job => ({
  name: 'expired-baskets',
  everyMs: 10_000,
  work: () => use.removeExpiredBaskets({}, systemContext('expired-baskets')),
})
