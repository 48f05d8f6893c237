import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@prometheus-io/client'
import type { Health } from '@shop/platform/health/health.ts'
import { createAbort, type Order } from '@shop/platform/process/host.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import { shareIdentical } from '@shop/platform/resilience/share-identical.ts'
import type { Snapshot } from './totals.ts'

export type ToWorker =
  | Readonly<{ type: 'order'; order: Order }>
  | Readonly<{ type: 'report' }>
  | Readonly<{ type: 'metrics'; text: string | undefined }>

export type ToSupervisor =
  | Readonly<{ type: 'started' }>
  | Readonly<{ type: 'report'; snapshot: Snapshot }>
  | Readonly<{ type: 'metrics' }>

const readyLimitMs = 10_000
const metricsLimitMs = 4_000

/** A worker whose service aborts itself retires, as if the supervisor had ordered it. */
const { isAborted, whenAborted, abortService } = createAbort()

export { abortService }

let sendReport = async (): Promise<void> => {}

const send = (message: ToSupervisor): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
    else resolve()
  })

const onMessage = (listen: (message: ToWorker) => void): void => void process.on('message', listen)

/**
 * Reports the metrics of this worker when the supervisor requests them. Returns a function that requests the
 * totals of all workers, in Prometheus' text format. Concurrent calls share a request, but never one made before them.
 */
export const connectMetrics = (registry: Registry): (() => Promise<string>) => {
  let request: PromiseWithResolvers<string | undefined> | undefined
  // Reports are sent in order, so that an older one cannot replace the final one.
  let previous = Promise.resolve()
  sendReport = () => {
    previous = previous
      .then(async () => send({ type: 'report', snapshot: await registry.getMetricsAsJSON() }))
      // The supervisor logs a missing report.
      .catch(() => {})
    return previous
  }
  onMessage((message) => {
    if (message.type === 'report') void sendReport()
    if (message.type === 'metrics') {
      request?.resolve(message.text)
      request = undefined
    }
  })
  const requestTotals = async () => {
    request = Promise.withResolvers()
    void send({ type: 'metrics' })
    const text = await withDeadline(
      metricsLimitMs,
      'the supervisor did not send the metrics',
      request.promise,
    )
    if (text === undefined) throw new Error('the metrics of the workers cannot be combined')
    return text
  }
  const share = shareIdentical(() => '', requestTotals)
  return () => share(undefined)
}

/** Sends the final metrics, so that the totals keep them. Call it last. */
export const flushMetrics = (): Promise<void> => sendReport()

/**
 * Waits until the service is ready, for at most ten seconds, because a worker receives connections as soon as it
 * listens. Resolves with false if the service was aborted.
 */
export const readyToListen = async (health: Health): Promise<boolean> => {
  const deadline = performance.now() + readyLimitMs
  const mayWait = () => !isAborted() && performance.now() < deadline
  while ((await health.report()).status === 'unhealthy' && mayWait()) await delay(50)
  return !isAborted()
}

/**
 * Signals may reach the whole process group, but only the supervisor acts on them. If it exits, Node.js ends its
 * workers.
 */
export const ignoreSignals = (): void => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
}

/**
 * Reports that this worker is serving. Resolves with the supervisor's first order, or with `retire` if the
 * service aborts itself.
 */
export const nextOrder = async (): Promise<Readonly<{ order: Order; reason: object }>> => {
  const { promise, resolve } = Promise.withResolvers<Order>()
  onMessage((message) => {
    if (message.type === 'order') resolve(message.order)
  })
  void whenAborted.then(() => resolve('retire'))
  void send({ type: 'started' })
  const order = await promise
  return { order, reason: { order } }
}
