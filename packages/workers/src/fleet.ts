import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Order } from '@shop/platform/process/host.ts'
import { backoff } from '@shop/platform/resilience/backoff.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { send, workers } from './metrics.ts'
import type { ToSupervisor } from './worker.ts'

/** Until a worker that ended is started again: twice as long each time, if it does not live for some time. */
const pauseMs = { first: 100, last: 10_000 }
const longLifeMs = 30_000

const order = (worker: Worker, given: Order): void => send(worker, { type: 'order', order: given })

/** Ended before it served. */
export class NotStarted extends Error {
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

/** The workers, as they are started, watched, replaced and stopped. */
export class Fleet {
  readonly #logger: Logger
  readonly #retireLimitMs: number
  readonly #births = new Map<Worker, number>()
  readonly #retiring = new Set<Worker>()
  #stopping = false
  #replacing = false
  /** A worker that was told to stop has not ended well. */
  #endedBadly = false
  /** How many workers in a row have not lived for long. */
  #failed = 0

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
    this.#births.set(worker, performance.now())
    this.#logger.info({ worker: worker.id, worker_pid: worker.process.pid }, 'worker started')
    if (this.#stopping) order(worker, 'stop')
    return worker
  }

  async #startAfterPause(): Promise<void> {
    await delay(backoff(this.#failed++, pauseMs))
    if (this.#stopping) return
    try {
      await this.start()
    } catch {
      // It has said why, and the pause is longer each time.
      await this.#startAfterPause()
    }
  }

  async startAgain(worker: Worker, code: number, signal: string): Promise<void> {
    const born = this.#births.get(worker)
    this.#births.delete(worker)
    // One that has not served is the affair of what started it.
    if (born === undefined) return
    if (this.#stopping && code !== 0) this.#endedBadly = true
    if (this.#stopping || this.#retiring.delete(worker)) return
    if (performance.now() - born > longLifeMs) this.#failed = 0
    this.#logger.error({ worker: worker.id, code, signal }, 'worker exited; starting a replacement')
    await this.#startAfterPause()
  }

  async #replace(old: Worker): Promise<void> {
    // From here on its end is no reason to start another one.
    this.#retiring.add(old)
    try {
      await this.start()
    } catch (error) {
      if (!this.#retiring.delete(old) && !this.#stopping) void this.#startAfterPause()
      throw error
    }
    order(old, 'retire')
    await withDeadline(this.#retireLimitMs, 'a worker did not retire', ended(old)).catch(() =>
      old.process.kill('SIGKILL'),
    )
  }

  /** One after the other, each by one that serves already. */
  async replaceAll(): Promise<void> {
    if (this.#replacing || this.#stopping) return
    this.#replacing = true
    try {
      for (const old of workers()) if (this.#births.has(old) && !this.#stopping) await this.#replace(old)
      if (!this.#stopping) this.#logger.info('all workers replaced')
    } catch (error) {
      if (!this.#stopping)
        this.#logger.error({ err: error }, 'the new worker cannot start; keeping the others')
    } finally {
      this.#replacing = false
    }
  }

  /** A worker that does not serve yet listens to no orders, and has begun nothing: it is killed. */
  stop(): void {
    this.#stopping = true
    for (const worker of workers())
      if (this.#births.has(worker)) order(worker, 'stop')
      else worker.process.kill('SIGKILL')
  }

  /** Resolves when all have ended, with whether those that served have ended well. */
  async ended(): Promise<boolean> {
    await Promise.all(workers().map(ended))
    return !this.#endedBadly
  }
}
