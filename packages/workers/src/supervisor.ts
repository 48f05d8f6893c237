import cluster from 'node:cluster'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { onHangup } from '@shop/platform/process/hangup.ts'
import { singleProcess } from '@shop/platform/process/host.ts'
import { drainMs, stopLimitMs, untilStopped } from '@shop/platform/process/lifecycle.ts'
import type { ShutdownConfig } from '@shop/platform/process/service-config.ts'
import { Fleet } from './fleet.ts'
import { serveTotals, workers } from './metrics.ts'
import { NotStarted } from './start-worker.ts'

/**
 * Thrown when one of the first workers cannot start. The worker itself has printed the reason. The supervisor exits with
 * the worker's exit code.
 */
class WorkersNotStarted extends OperatorError {
  override readonly exitCode: number

  constructor(cause: unknown) {
    super('A worker could not start.', { cause })
    this.exitCode = cause instanceof NotStarted ? cause.code : 1
  }
}

type SupervisorConfig = Readonly<{ workers: number; shutdown: ShutdownConfig }>

/**
 * Starts `config.workers` workers and replaces each one that exits by itself. SIGHUP replaces all of them one by one.
 * Resolves when the service has been stopped and all workers have exited. Rejects with `WorkersNotStarted` if one of the
 * first workers cannot start.
 */
export const supervise = async (service: string, config: SupervisorConfig, logger: Logger): Promise<void> => {
  const fleet = new Fleet(logger, drainMs('retire', config.shutdown) + stopLimitMs)
  serveTotals(service, logger)
  cluster.on('exit', (worker, code, signal) => void fleet.handleExit(worker, code, signal))
  // A worker that hangs does not notice that the supervisor has gone.
  process.once('exit', () => {
    for (const worker of workers()) worker.process.kill('SIGKILL')
  })
  // The handlers are installed before the workers start, so that a signal during the start stops them gracefully.
  onHangup(() => void fleet.replaceAll())
  const stopped = untilStopped(logger, config.shutdown, singleProcess, () => fleet.stop())
  try {
    await Promise.all(Array.from({ length: config.workers }, () => fleet.start()))
  } catch (error) {
    if (!fleet.isStopping) {
      fleet.stop()
      for (const worker of workers()) worker.process.kill('SIGKILL')
      await fleet.untilAllExited()
      throw new WorkersNotStarted(error)
    }
  }
  await stopped
  if (!(await fleet.untilAllExited())) process.exitCode = 1
}
