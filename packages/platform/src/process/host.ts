import type { Registry } from '@prometheus-io/client'
import type { Health } from '../health/health.ts'
import type { Logger } from '../logging/logger.ts'
import { reopenLogsOnHangup, terminalClosed } from './hangup.ts'
import type { ServiceConfig } from './service-config.ts'

/**
 * `stop` shuts down the service; `retire` only this process, because another one on the same port takes over.
 */
export type Order = 'stop' | 'retire'

const signals = ['SIGTERM', 'SIGINT'] as const

/** Lets a service that cannot do its work stop itself, with exit code 1. */
export const createAbort = () => {
  let isAborted = false
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    isAborted: () => isAborted,
    whenAborted: promise,
    abortService: () => {
      process.exitCode = 1
      isAborted = true
      resolve()
    },
  }
}

const { isAborted, whenAborted, abortService } = createAbort()

/**
 * The process in which a service runs: either the only one (`singleProcess`), or one of several on the same
 * port (packages/workers).
 */
export type Host = Readonly<{
  /** Supervises other processes until this one must exit, then true; false if this process serves. */
  supervise: (service: string, config: ServiceConfig, logger: Logger) => Promise<boolean>
  /** Whether the process shares the work with others of the same instance, which has a supervisor. */
  isWorker: boolean
  /** Fields of every log line that identify this process. */
  logFields: Readonly<Record<string, unknown>>
  /** Scrapes all processes together. If undefined, only this process is scraped. */
  scrapeAll?: ((registry: Registry) => () => Promise<string>) | undefined
  /** Decides what SIGHUP does from now on. */
  handleHangup: (logger: Logger) => void
  /** Resolves with true when the service may listen, with false if it was aborted. */
  readyToListen: (health: Health) => Promise<boolean>
  /** Resolves with the first order to stop, and its reason as fields for the log. */
  nextOrder: () => Promise<Readonly<{ order: Order; reason: object }>>
  /** Calls `end` when the process must exit at once, without waiting for anything to close. */
  onForce: (end: (reason: string) => void) => void
  /** Begins a shutdown that ends with exit code 1: for a service that cannot do its work. */
  abortService: () => void
  /** Reports the final metrics to the supervisor, if there is one, before the stores are closed. */
  flushMetrics: () => Promise<void>
}>

/** A single process, stopped by signals of the operating system. */
export const singleProcess: Host = {
  supervise: async () => false,
  isWorker: false,
  logFields: {},
  handleHangup: reopenLogsOnHangup,
  readyToListen: async () => !isAborted(),
  nextOrder: async () => {
    const { promise, resolve } = Promise.withResolvers<object>()
    for (const signal of signals) process.once(signal, () => resolve({ signal }))
    void whenAborted.then(() => resolve({ aborted: true }))
    void terminalClosed.then(() => resolve({ signal: 'SIGHUP', terminal: 'closed' }))
    return { order: 'stop', reason: await promise }
  },
  onForce: (end) => {
    for (const name of signals) process.once(name, () => end('second signal'))
  },
  abortService,
  flushMetrics: async () => {},
}
