import type { Logger } from '../logging/logger.ts'
import { measure } from '../metrics/measured.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { every } from '../resilience/every.ts'

/** What a service does by itself, again and again. */
export type Job = Readonly<{
  name: string
  /** The pause between two rounds, in milliseconds. */
  everyMs: number
  /** One round, which ends in bounded time. */
  work: (signal: AbortSignal) => Promise<unknown>
}>

/** Runs the jobs, each measured, until the disposal, which waits for the rounds under way. A round that fails is logged, once until one succeeds. */
export const startJobs = (
  jobs: readonly Job[],
  { logger, metrics: { jobDuration } }: Readonly<{ logger: Logger; metrics: Pick<Metrics, 'jobDuration'> }>,
): AsyncDisposable => {
  const stopping = new AbortController()
  const start = ({ name: job, everyMs, work }: Job) => {
    let failing = false
    const round = async (signal: AbortSignal) => {
      try {
        await measure(
          () => work(signal),
          (outcome, seconds) => jobDuration.observe({ job, outcome }, seconds),
        )
        failing = false
      } catch (error) {
        if (!failing) logger.warn({ job, err: error }, 'job failed; retrying')
        failing = true
      }
    }
    return every(everyMs, round, stopping.signal)
  }
  const running = jobs.map(start)
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await Promise.all(running)
    },
  }
}
