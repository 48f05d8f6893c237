import { failureFields } from '../failure.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'
import { recorded } from '../metrics/measured.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { every } from '../resilience/every.ts'

/**
 * Runs and measures the jobs until disposal, which waits for the current runs. A failed run is logged.
 * Further failures of the job are not logged until one of its runs succeeds.
 */
export const startJobs = (
  jobs: readonly Job[],
  { logger, metrics: { jobDuration } }: Readonly<{ logger: Logger; metrics: Pick<Metrics, 'jobDuration'> }>,
): AsyncDisposable => {
  const stopping = new AbortController()
  const start = ({ name: job, pauseMs, work }: Job) => {
    const measuredWork = recorded(work, (outcome, seconds) => jobDuration.observe({ job, outcome }, seconds))
    let failing = false
    const runOnce = async (signal: AbortSignal) => {
      try {
        await measuredWork(signal)
        failing = false
      } catch (error) {
        if (!failing) logger.warn({ job, ...failureFields(error) }, 'job failed; retrying')
        failing = true
      }
    }
    return every(pauseMs, runOnce, stopping.signal)
  }
  const running = jobs.map(start)
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await Promise.all(running)
    },
  }
}
