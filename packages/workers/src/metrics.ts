import cluster, { type Worker } from 'node:cluster'
import { Registry } from '@prometheus-io/client'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'
import type { Snapshot, ToSupervisor, ToWorker } from './worker.ts'

const reportLimitMs = 2_000

/** Nothing, when the worker is gone. */
export const send = (worker: Worker, message: ToWorker): void => {
  if (worker.isConnected()) worker.send(message)
}

export const workers = (): Worker[] =>
  Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)

/** Counters and histograms go on counting where those who are gone have stopped: a sum that fell would be taken for a new beginning. */
const counted = (snapshot: Snapshot): Snapshot =>
  snapshot.filter(({ type, aggregator }) => type !== 'gauge' && (aggregator ?? 'sum') === 'sum')

/** The metrics of all workers as one text, by the aggregator of each; asked of any of them. */
export const shareMetrics = (): void => {
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
