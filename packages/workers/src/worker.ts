import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@prometheus-io/client'
import type { Health } from '@shop/platform/health/health.ts'
import { createAbort, type Order } from '@shop/platform/process/host.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
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

/** A worker that cannot do its work retires, as if it had been told to. */
const { isAborted, whenAborted, abortService } = createAbort()

export { abortService }

let sendReport = async (): Promise<void> => {}

const send = (message: ToSupervisor): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
    else resolve()
  })

const onMessage = (listen: (message: ToWorker) => void): void => void process.on('message', listen)

/** Reports the metrics of this worker when the supervisor requests it. Returns a function that requests the totals of all workers. */
export const connectMetrics = (registry: Registry): (() => Promise<string>) => {
  let request: PromiseWithResolvers<string | undefined> | undefined
  sendReport = async () => send({ type: 'report', snapshot: await registry.getMetricsAsJSON() })
  onMessage((message) => {
    if (message.type === 'report') void sendReport()
    if (message.type === 'metrics') {
      request?.resolve(message.text)
      request = undefined
    }
  })
  return async () => {
    if (request === undefined) {
      request = Promise.withResolvers()
      void send({ type: 'metrics' })
    }
    const text = await withDeadline(
      metricsLimitMs,
      'the supervisor did not send the metrics',
      request.promise,
    )
    if (text === undefined) throw new Error('the metrics of the workers cannot be combined')
    return text
  }
}

/** Sends the last metrics, which would otherwise be missing in the sums. Call it at the very end. */
export const flushMetrics = (): Promise<void> => sendReport()

/** A worker gets connections as soon as it listens, whatever a balancer thinks: so it waits until it can serve, for ten seconds at most. False when it never can. */
export const readyToListen = async (health: Health): Promise<boolean> => {
  const deadline = Date.now() + readyLimitMs
  const mayWait = () => !isAborted() && Date.now() < deadline
  while ((await health.report()).status === 'unhealthy' && mayWait()) await delay(50)
  return !isAborted()
}

/**
 * Says that this worker serves, and resolves with the supervisor's first order; signals, which the whole group of
 * processes may get, are the supervisor's to hear. When that is gone Node.js ends its workers.
 */
export const nextOrder = async (): Promise<Readonly<{ order: Order; reason: object }>> => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const { promise, resolve } = Promise.withResolvers<Order>()
  onMessage((message) => {
    if (message.type === 'order') resolve(message.order)
  })
  void whenAborted.then(() => resolve('retire'))
  void send({ type: 'started' })
  const order = await promise
  return { order, reason: { order } }
}
