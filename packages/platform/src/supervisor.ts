import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from '@prometheus-io/client'
import { withDeadline } from './deadline.ts'
import { type ShutdownConfig, shutdownDelayMs, stopLimitMs, untilStopped } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import { OperatorError } from './operator-error.ts'
import type { Order, Snapshot, ToSupervisor, ToWorker } from './worker.ts'

type WorkersConfig = Readonly<{ WORKERS: string }>

const workerCount = ({ WORKERS }: WorkersConfig): number =>
  WORKERS === 'auto' ? availableParallelism() : Number(WORKERS)

/** Whether this process is only to start others, which serve, and to watch over them. */
export const isSupervisor = (config: WorkersConfig): boolean => cluster.isPrimary && workerCount(config) > 1

/** Until a worker that ended is started again: twice as long each time, if it does not live for some time. */
const pauseMs = { first: 100, last: 10_000, longLife: 30_000 }
const reportLimitMs = 2_000

const send = (worker: Worker, message: ToWorker): void => {
  if (worker.isConnected()) worker.send(message)
}

const order = (worker: Worker, given: Order): void => send(worker, { type: 'order', order: given })

const workers = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)

/** Ended before it served. */
class NotStarted extends Error {
  readonly code: number

  constructor(code: number) {
    super('a worker ended before it served')
    this.code = code
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

/** Counters and histograms go on counting where those who are gone have stopped: a sum that fell would be taken for a new beginning. */
const counted = (snapshot: Snapshot): Snapshot =>
  snapshot.filter(({ type, aggregator }) => type !== 'gauge' && (aggregator ?? 'sum') === 'sum')

/** The metrics of all workers as one text, by the aggregator of each; asked of any of them. */
const shareMetrics = (): void => {
  const latest = new Map<Worker, Snapshot>()
  const waiting = new Map<number, (snapshot: Snapshot) => void>()
  let departed: Snapshot = []
  let last = 0

  const ask = (worker: Worker): Promise<Snapshot> => {
    const id = ++last
    const { promise, resolve } = Promise.withResolvers<Snapshot>()
    waiting.set(id, resolve)
    send(worker, { type: 'report', id })
    return withDeadline(reportLimitMs, 'a worker did not tell its metrics', promise).finally(() =>
      waiting.delete(id),
    )
  }
  const ofAll = async (): Promise<string> => {
    const snapshots = await Promise.all(workers().map(ask))
    return Registry.aggregate([departed, ...snapshots]).metrics()
  }
  cluster.on('message', (worker, message: ToSupervisor) => {
    if (message.type === 'report') {
      latest.set(worker, message.snapshot)
      if (message.id !== undefined) waiting.get(message.id)?.(message.snapshot)
    }
    if (message.type === 'metrics')
      void ofAll().then(
        (text) => send(worker, { type: 'metrics', id: message.id, text }),
        () => send(worker, { type: 'metrics', id: message.id, text: undefined }),
      )
  })
  cluster.on('exit', (worker) => {
    const snapshot = latest.get(worker)
    latest.delete(worker)
    if (snapshot === undefined) return
    // At once, or a scrape that comes meanwhile would miss them. Sums are plain data too, whatever their type says.
    departed = Registry.aggregate([departed, counted(snapshot)]).getMetricsAsArray() as unknown as Snapshot
  })
}

/**
 * Starts as many workers as the configuration says, and another one for each that ends by itself; SIGHUP replaces them one
 * after the other by new ones. Resolves when it was told to stop and all have ended. When the first ones cannot
 * start, for what they have said themselves, it ends with their exit code.
 */
export const supervise = async (config: WorkersConfig & ShutdownConfig, logger: Logger): Promise<void> => {
  const leaving = new Set<Worker>()
  const births = new Map<Worker, number>()
  let stopping = false
  let replacing = false
  let pause = pauseMs.first
  const leaveLimitMs = shutdownDelayMs(config) + stopLimitMs

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
  const startAgain = async (worker: Worker, code: number, signal: string): Promise<void> => {
    const born = births.get(worker)
    births.delete(worker)
    // One that has not served is the affair of who started it.
    if (born === undefined || stopping || leaving.delete(worker)) return
    if (performance.now() - born > pauseMs.longLife) pause = pauseMs.first
    logger.error({ worker: worker.id, code, signal }, 'a worker ended; starting another one')
    await startAfterPause()
  }
  const replaceAll = async (): Promise<void> => {
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
  }

  shareMetrics()
  const first = Array.from({ length: workerCount(config) }, start)
  try {
    await Promise.all(first)
  } catch (error) {
    stopping = true
    for (const worker of workers()) worker.process.kill('SIGKILL')
    await Promise.all(workers().map(ended))
    throw Object.assign(new OperatorError('A worker could not start.'), {
      exitCode: error instanceof NotStarted ? error.code : 1,
    })
  }
  cluster.on('exit', (worker, code, signal) => void startAgain(worker, code, signal))
  process.on('SIGHUP', () => void replaceAll())
  await untilStopped(logger, config, () => {
    stopping = true
    for (const worker of workers()) {
      if (births.has(worker)) order(worker, 'stop')
      // It does not listen to orders yet, and has begun nothing.
      else worker.process.kill('SIGKILL')
    }
  })
  const served = workers().filter((worker) => births.has(worker))
  await Promise.all(workers().map(ended))
  if (served.some((worker) => worker.process.exitCode !== 0)) process.exitCode = 1
}
