import cluster, { type Worker } from 'node:cluster'
import { closeUnaccepted } from './unaccepted-connections.ts'
import type { ToSupervisor } from './worker.ts'

/** Loading and getting ready take a few seconds, on a busy machine up to a minute. */
const startLimitMs = 120_000

/** Thrown when a worker exits while it is starting. `code` is its exit code, or 1 if that is 0 or missing. */
export class NotStarted extends Error {
  readonly code: number

  constructor(code: number) {
    super('a worker exited while it was starting')
    this.code = code
  }
}

/** Resolves when the worker reports that it serves; rejects with `NotStarted` if it exits first. */
export const startWorker = (): Promise<Worker> =>
  new Promise((resolve, reject) => {
    const worker = cluster.fork()
    closeUnaccepted(worker)
    // A worker that hangs while it starts would make all further replacements wait.
    const limit = setTimeout(() => worker.process.kill('SIGKILL'), startLimitMs).unref()
    worker.once('exit', (code) => {
      clearTimeout(limit)
      reject(new NotStarted(code || 1))
    })
    worker.on('message', (message: ToSupervisor) => {
      if (message.type !== 'started') return
      clearTimeout(limit)
      resolve(worker)
    })
  })
