import { systemContext } from '@shop/kernel/context.ts'
import type { Job } from '@shop/platform/job.ts'
import type { UseCases } from '../application/use-cases.ts'

const context = systemContext('old-writes')

/** The job that forgets the writes that are remembered for longer than a day. */
export const oldWrites = (use: Pick<UseCases, 'forgetOldWrites'>): Job => ({
  name: 'old-writes',
  pauseMs: 60_000,
  work: async (signal) => {
    while (!signal.aborted && (await use.forgetOldWrites({}, context)));
  },
})
