import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expectedFailure } from '@shop/platform/failure.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Order } from '@shop/platform/process/host.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { send, workers } from './metrics.ts'
import { startWorker } from './start-worker.ts'

/** The pause before a replacement starts. It doubles with each attempt until a worker has run for `stableAfterMs`. */
const restartPauseMs = { first: 100, last: 10_000 }
const stableAfterMs = 30_000

const sendOrder = (worker: Worker, order: Order): void => send(worker, { type: 'order', order })

const untilExited = async (worker: Worker): Promise<void> => {
  if (!worker.isDead()) await once(worker, 'exit')
}

/** Starts, watches, replaces and stops the workers. */
export class Fleet {
  readonly #logger: Logger
  readonly #retireLimitMs: number
  /** The start time of every worker that has started and not exited. */
  readonly #startTimes = new Map<Worker, number>()
  readonly #retiring = new Set<Worker>()
  #stopping = false
  #replacing = false
  /** Whether a worker exited with an error after `stop()` was called. */
  #stoppedWithError = false
  /** The number of restart attempts since a worker last ran for `stableAfterMs`. */
  #restartAttempts = 0

  /** A worker that has not retired after `retireLimitMs` is killed. */
  constructor(logger: Logger, retireLimitMs: number) {
    this.#logger = logger
    this.#retireLimitMs = retireLimitMs
  }

  get isStopping(): boolean {
    return this.#stopping
  }

  async start(): Promise<Worker> {
    const worker = await startWorker()
    this.#startTimes.set(worker, performance.now())
    this.#logger.info({ worker: worker.id, worker_pid: worker.process.pid }, 'worker started')
    if (this.#stopping) sendOrder(worker, 'stop')
    return worker
  }

  async #startAfterPause(): Promise<void> {
    await delay(backoff(this.#restartAttempts++, restartPauseMs))
    if (this.#stopping) return
    try {
      await this.start()
    } catch {
      // The worker has logged the reason. The next attempt follows after a longer pause.
      await this.#startAfterPause()
    }
  }

  /** Handles the exit of a worker: starts a replacement, unless the fleet is stopping or the worker is being replaced. */
  async handleExit(worker: Worker, code: number, signal: string): Promise<void> {
    const startTime = this.#startTimes.get(worker)
    this.#startTimes.delete(worker)
    // A worker that never started is handled where it was started, by the rejection of `start()`.
    if (startTime === undefined) return
    if (this.#stopping && code !== 0) this.#stoppedWithError = true
    if (this.#stopping || this.#retiring.delete(worker)) return
    if (performance.now() - startTime > stableAfterMs) this.#restartAttempts = 0
    this.#logger.error(
      { worker: worker.id, worker_pid: worker.process.pid, code, signal },
      'worker exited; starting a replacement',
    )
    await this.#startAfterPause()
  }

  async #replace(old: Worker): Promise<void> {
    // Added first: if the old worker exits from now on, `handleExit` must not start a second replacement.
    this.#retiring.add(old)
    try {
      await this.start()
    } catch (error) {
      // The old worker exited meanwhile, so its replacement is still due.
      if (!this.#retiring.delete(old) && !this.#stopping) void this.#startAfterPause()
      throw error
    }
    sendOrder(old, 'retire')
    await withDeadline(this.#retireLimitMs, 'a worker did not retire', untilExited(old)).catch(() =>
      old.process.kill('SIGKILL'),
    )
  }

  /** Replaces the workers one by one. Each one retires only after its replacement has started. */
  async replaceAll(): Promise<void> {
    if (this.#replacing || this.#stopping) return
    this.#replacing = true
    try {
      for (const old of workers()) if (this.#startTimes.has(old) && !this.#stopping) await this.#replace(old)
      if (!this.#stopping) this.#logger.info('all workers replaced')
    } catch (error) {
      if (!this.#stopping)
        this.#logger.error(expectedFailure(error), 'the new worker cannot start; keeping the others')
    } finally {
      this.#replacing = false
    }
  }

  /**
   * Orders the workers to stop. Kills workers that are still starting: they accept no orders yet and have no requests.
   */
  stop(): void {
    this.#stopping = true
    for (const worker of workers())
      if (this.#startTimes.has(worker)) sendOrder(worker, 'stop')
      else worker.process.kill('SIGKILL')
  }

  /** Resolves when all workers have exited, with false if one of them exited with an error after `stop()` was called. */
  async untilAllExited(): Promise<boolean> {
    await Promise.all(workers().map(untilExited))
    return !this.#stoppedWithError
  }
}
