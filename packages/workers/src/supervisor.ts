import cluster from 'node:cluster'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { singleProcess } from '@shop/platform/process/host.ts'
import { stopLimitMs, untilStopped } from '@shop/platform/process/lifecycle.ts'
import type { ShutdownConfig } from '@shop/platform/process/service-config.ts'
import { Fleet, NotStarted } from './fleet.ts'
import { serveTotals, workers } from './metrics.ts'

/** What is wrong the worker has said itself; its exit code is that of all. */
class WorkersNotStarted extends OperatorError {
  override readonly exitCode: number

  constructor(cause: unknown) {
    super('A worker could not start.', { cause })
    this.exitCode = cause instanceof NotStarted ? cause.code : 1
  }
}

/** How many workers there are to be, and how long they serve on when they are told to stop. */
type SupervisorConfig = Readonly<{ workers: number; shutdown: ShutdownConfig }>

/**
 * Starts as many workers as the configuration says, and another one for each that ends by itself; SIGHUP replaces them one
 * after the other by new ones. Resolves when it was told to stop and all have ended. When the first ones cannot
 * start, for what they have said themselves, it ends with their exit code.
 */
export const supervise = async (config: SupervisorConfig, logger: Logger): Promise<void> => {
  const fleet = new Fleet(logger, config.shutdown.delayMs + stopLimitMs)
  serveTotals(logger)
  cluster.on('exit', (worker, code, signal) => void fleet.startAgain(worker, code, signal))
  // From the beginning: those that serve already are to end well, also while others are still starting.
  process.on('SIGHUP', () => void fleet.replaceAll())
  const stopped = untilStopped(logger, config.shutdown, singleProcess, () => fleet.stop())
  try {
    await Promise.all(Array.from({ length: config.workers }, () => fleet.start()))
  } catch (error) {
    if (!fleet.isStopping) {
      fleet.stop()
      for (const worker of workers()) worker.process.kill('SIGKILL')
      await fleet.ended()
      throw new WorkersNotStarted(error)
    }
  }
  await stopped
  if (!(await fleet.ended())) process.exitCode = 1
}
