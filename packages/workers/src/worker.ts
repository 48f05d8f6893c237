import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@prometheus-io/client'
import type { Health } from '@shop/platform/health/health.ts'
import { createAbort, type Order } from '@shop/platform/process/host.ts'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'

/** Every metric of a process, as plain data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export type ToWorker =
  | Readonly<{ type: 'order'; order: Order }>
  | Readonly<{ type: 'report'; id: number }>
  | Readonly<{ type: 'metrics'; id: number; text: string | undefined }>

export type ToSupervisor =
  | Readonly<{ type: 'started' }>
  | Readonly<{ type: 'report'; id: number | undefined; snapshot: Snapshot }>
  | Readonly<{ type: 'metrics'; id: number }>

const readyLimitMs = 10_000
const metricsLimitMs = 4_000

/** A worker that cannot do its work retires, as if it had been told to. */
const { isAborted, whenAborted, abortService } = createAbort()

export { abortService }

let reportLast = async (): Promise<void> => {}

const tell = (message: ToSupervisor): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
    else resolve()
  })

const onMessage = (listen: (message: ToWorker) => void): void => void process.on('message', listen)

/** Of a worker that can be asked for its metrics, and can ask for those of all. */
export const connectMetrics = (registry: Registry): (() => Promise<string>) => {
  const asked = new Map<number, (text: string | undefined) => void>()
  let last = 0
  onMessage((message) => {
    if (message.type === 'report')
      void registry.getMetricsAsJSON().then((snapshot) => tell({ type: 'report', id: message.id, snapshot }))
    if (message.type === 'metrics') asked.get(message.id)?.(message.text)
  })
  reportLast = async () => {
    await tell({ type: 'report', id: undefined, snapshot: await registry.getMetricsAsJSON() })
  }
  return async () => {
    const id = ++last
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    asked.set(id, resolve)
    try {
      await tell({ type: 'metrics', id })
      const text = await withDeadline(metricsLimitMs, 'the metrics of all workers are not there', promise)
      if (text === undefined) throw new Error('a worker did not tell its metrics')
      return text
    } finally {
      asked.delete(id)
    }
  }
}

/** Tells the supervisor the last metrics, which would otherwise be missing in the sums. To be called at the very end. */
export const flushMetrics = (): Promise<void> => reportLast()

/** A worker gets connections as soon as it listens, whatever a balancer thinks: so it waits until it can serve, for ten seconds at most. False when it never can. */
export const readyToListen = async (health: Health): Promise<boolean> => {
  const giveUpAt = Date.now() + readyLimitMs
  const mayWait = () => !isAborted() && Date.now() < giveUpAt
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
  void tell({ type: 'started' })
  const order = await promise
  return { order, reason: { order } }
}
