import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from './deadline.ts'
import { type ShutdownConfig, shutdownDelayMs, stopLimitMs, untilStopped } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import { OperatorError } from './operator-error.ts'
import type { Order, ToSupervisor } from './worker.ts'
import { send, shareMetrics, workers } from './worker-metrics.ts'

type WorkersConfig = Readonly<{ WORKERS: string }>

const workerCount = ({ WORKERS }: WorkersConfig): number =>
  WORKERS === 'auto' ? availableParallelism() : Number(WORKERS)

/** Whether this process is only to start others, which serve, and to watch over them. */
export const isSupervisor = (config: WorkersConfig): boolean => cluster.isPrimary && workerCount(config) > 1

/** Until a worker that ended is started again: twice as long each time, if it does not live for some time. */
const pauseMs = { first: 100, last: 10_000, longLife: 30_000 }

const order = (worker: Worker, given: Order): void => send(worker, { type: 'order', order: given })

/** Ended before it served. */
class NotStarted extends Error {
  readonly code: number

  constructor(code: number) {
    super('a worker ended before it served')
    this.code = code
  }
}

/** What is wrong the worker has said itself; its exit code is that of all. */
class WorkersNotStarted extends OperatorError {
  override readonly exitCode: number

  constructor(cause: unknown) {
    super('A worker could not start.', { cause })
    this.exitCode = cause instanceof NotStarted ? cause.code : 1
  }
}

/** Resolves when the worker serves; rejects with `NotStarted` when it ends before. */
const startWorker = (): Promise<Worker> =>
  new Promise((resolve, reject) => {
    const worker = cluster.fork()
    worker.once('exit', (code) => reject(new NotStarted(code || 1)))
    worker.on('message', (message: ToSupervisor) => {
      if (message.type === 'started') resolve(worker)
    })
  })

const ended = async (worker: Worker): Promise<void> => {
  if (!worker.isDead()) await once(worker, 'exit')
}

/** The workers, as they are started, watched, replaced and stopped. */
const openFleet = (logger: Logger, leaveLimitMs: number) => {
  const births = new Map<Worker, number>()
  const leaving = new Set<Worker>()
  let stopping = false
  let replacing = false
  let pause = pauseMs.first

  const start = async (): Promise<Worker> => {
    const worker = await startWorker()
    births.set(worker, performance.now())
    logger.info({ worker: worker.id, worker_pid: worker.process.pid }, 'a worker serves')
    if (stopping) order(worker, 'stop')
    return worker
  }
  const startAfterPause = async (): Promise<void> => {
    await delay(pause)
    pause = Math.min(2 * pause, pauseMs.last)
    if (stopping) return
    try {
      await start()
    } catch {
      // It has said why, and the pause is longer each time.
      await startAfterPause()
    }
  }

  return {
    start,
    isStopping: () => stopping,
    startAgain: async (worker: Worker, code: number, signal: string): Promise<void> => {
      const born = births.get(worker)
      births.delete(worker)
      // One that has not served is the affair of who started it.
      if (born === undefined || stopping || leaving.delete(worker)) return
      if (performance.now() - born > pauseMs.longLife) pause = pauseMs.first
      logger.error({ worker: worker.id, code, signal }, 'a worker ended; starting another one')
      await startAfterPause()
    },
    /** One after the other, each by one that serves already. */
    replaceAll: async (): Promise<void> => {
      if (replacing || stopping) return
      replacing = true
      try {
        for (const old of workers()) {
          await start()
          leaving.add(old)
          order(old, 'leave')
          await withDeadline(leaveLimitMs, 'a worker did not leave', ended(old)).catch(() =>
            old.process.kill('SIGKILL'),
          )
        }
        logger.info('every worker was replaced')
      } catch (error) {
        logger.error({ err: error }, 'a new worker cannot start: the others stay')
      } finally {
        replacing = false
      }
    },
    /** One that does not serve yet listens to no orders, and has begun nothing. */
    stop: (): void => {
      stopping = true
      for (const worker of workers())
        if (births.has(worker)) order(worker, 'stop')
        else worker.process.kill('SIGKILL')
    },
    /** Resolves when all have ended, with whether those that served have ended well. */
    ended: async (): Promise<boolean> => {
      const served = workers().filter((worker) => births.has(worker))
      await Promise.all(workers().map(ended))
      return served.every((worker) => worker.process.exitCode === 0)
    },
  }
}

/**
 * Starts as many workers as the configuration says, and another one for each that ends by itself; SIGHUP replaces them one
 * after the other by new ones. Resolves when it was told to stop and all have ended. When the first ones cannot
 * start, for what they have said themselves, it ends with their exit code.
 */
export const supervise = async (config: WorkersConfig & ShutdownConfig, logger: Logger): Promise<void> => {
  const fleet = openFleet(logger, shutdownDelayMs(config) + stopLimitMs)
  shareMetrics()
  cluster.on('exit', (worker, code, signal) => void fleet.startAgain(worker, code, signal))
  // From the beginning: who serves already is to end well, also while others are still starting.
  const stopped = untilStopped(logger, config, fleet.stop)
  try {
    await Promise.all(Array.from({ length: workerCount(config) }, fleet.start))
    process.on('SIGHUP', () => void fleet.replaceAll())
  } catch (error) {
    if (!fleet.isStopping()) {
      fleet.stop()
      for (const worker of workers()) worker.process.kill('SIGKILL')
      await fleet.ended()
      throw new WorkersNotStarted(error)
    }
  }
  await stopped
  if (!(await fleet.ended())) process.exitCode = 1
}
