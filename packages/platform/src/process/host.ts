import type { Registry } from '@prometheus-io/client'
import type { Health } from '../health/health.ts'
import type { Logger } from '../logging/logger.ts'
import type { ServiceConfig } from './service-config.ts'

/** To stop as a service does; or to retire, because another process on the same port takes over. */
export type Order = 'stop' | 'retire'

const signals = ['SIGTERM', 'SIGINT'] as const

/** Whether the service has found that it cannot do its work. */
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
 * The process as a service sees it: alone, which is `singleProcess`, or one of several that serve one port, which is the
 * affair of packages/workers.
 */
export type Host = Readonly<{
  /** Runs in the place of the service where this process is only to watch over others; false where it is to serve. */
  supervise: (config: ServiceConfig, logger: Logger) => Promise<boolean>
  /** Fields of every log line, which tell this process from the others. */
  logFields: Readonly<Record<string, unknown>>
  /** A scrape of all processes together; of this one alone when it is missing. */
  scrapeAll?: ((registry: Registry) => () => Promise<string>) | undefined
  /** Resolves when the service may listen; with false when it is not to, because it was aborted. */
  readyToListen: (health: Health) => Promise<boolean>
  /** Resolves with the first order to stop, and with what the log is to say of it. */
  nextOrder: () => Promise<Readonly<{ order: Order; reason: object }>>
  /** Calls back when the process is to end at once, whatever is still open. */
  onForce: (end: (reason: string) => void) => void
  /** Begins the shutdown, with exit code 1 at its end: for a service that cannot do its work. */
  abortService: () => void
  /** Hands over the last metrics, before the stores are closed. */
  flushMetrics: () => Promise<void>
}>

/** One process, which the signals of the operating system stop. */
export const singleProcess: Host = {
  supervise: async () => false,
  logFields: {},
  readyToListen: async () => !isAborted(),
  nextOrder: async () => {
    const { promise, resolve } = Promise.withResolvers<object>()
    for (const signal of signals) process.once(signal, () => resolve({ signal }))
    void whenAborted.then(() => resolve({ aborted: true }))
    return { order: 'stop', reason: await promise }
  },
  onForce: (end) => {
    for (const name of signals) process.once(name, () => end('second signal'))
  },
  abortService,
  flushMetrics: async () => {},
}
