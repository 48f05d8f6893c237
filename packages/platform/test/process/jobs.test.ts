import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { startJobs } from '../../src/process/jobs.ts'

const countsOf = async ({ registry }: ReturnType<typeof createMetrics>) =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith('job_duration_seconds_count'))

describe('a job', () => {
  it('is measured, continues after failed runs, and logs consecutive failures once', async () => {
    const { logger, lines } = recordingLogger()
    const metrics = createMetrics('test', '1.0.0')
    let round = 0
    const work = async () => {
      round += 1
      if (round === 2 || round === 3 || round === 5) throw new AppError('unavailable', 'the store is down')
    }
    await using _ = startJobs([{ name: 'sweep', pauseMs: 1, work }], { logger, metrics })
    await eventually(20_000, async () => assert.ok(round >= 6))
    assert.deepEqual(
      lines.map(({ job, msg }) => [job, msg]),
      [
        ['sweep', 'job failed; retrying'],
        ['sweep', 'job failed; retrying'],
      ],
    )
    const counts = await countsOf(metrics)
    assert.match(counts.join('\n'), /job="sweep",outcome="unavailable"\} 3$/m)
    assert.match(counts.join('\n'), /job="sweep",outcome="ok"\} [1-9]/)
  })

  it('has its signal aborted when the jobs stop, and the stop waits for the current run', async () => {
    const { logger } = recordingLogger()
    const events: string[] = []
    const work = async (signal: AbortSignal) => {
      events.push('started')
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      events.push('ended')
    }
    const metrics = createMetrics('test', '1.0.0')
    const jobs = startJobs([{ name: 'long', pauseMs: 1, work }], { logger, metrics })
    await jobs[Symbol.asyncDispose]()
    assert.deepEqual(events, ['started', 'ended'])
  })
})
