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

/** Asks workers for what they count. */
const createReports = () => {
  const waiting = new Map<number, Readonly<{ worker: Worker; resolve: (snapshot: Snapshot) => void }>>()
  let last = 0
  return {
    ask: (worker: Worker): Promise<Snapshot> => {
      const id = ++last
      const { promise, resolve } = Promise.withResolvers<Snapshot>()
      waiting.set(id, { worker, resolve })
      send(worker, { type: 'report', id })
      return withDeadline(reportLimitMs, 'a worker did not tell its metrics', promise).finally(() =>
        waiting.delete(id),
      )
    },
    answer: (id: number, snapshot: Snapshot): void => waiting.get(id)?.resolve(snapshot),
    /** Nobody waits for one that has ended. */
    giveUp: (worker: Worker): void => {
      for (const asked of waiting.values()) if (asked.worker === worker) asked.resolve([])
    },
  }
}

/** The metrics of all workers as one text, by the aggregator of each; asked of any of them. */
export const shareMetrics = (): void => {
  /** Those that answer: one that is still loading would keep everybody waiting. */
  const serving = new Set<Worker>()
  const latest = new Map<Worker, Snapshot>()
  const reports = createReports()
  let departed: Snapshot = []

  const ofAll = async (): Promise<string> => {
    const told = await Promise.all(
      [...serving].map(async (worker) => ({ worker, snapshot: await reports.ask(worker) })),
    )
    // One that has ended meanwhile is in the sum of those who are gone.
    const present = told.filter(({ worker }) => serving.has(worker))
    return Registry.aggregate([departed, ...present.map(({ snapshot }) => snapshot)]).metrics()
  }
  cluster.on('message', (worker, message: ToSupervisor) => {
    if (message.type === 'started') serving.add(worker)
    if (message.type === 'report') {
      latest.set(worker, message.snapshot)
      if (message.id !== undefined) reports.answer(message.id, message.snapshot)
    }
    if (message.type === 'metrics')
      void ofAll().then(
        (text) => send(worker, { type: 'metrics', id: message.id, text }),
        () => send(worker, { type: 'metrics', id: message.id, text: undefined }),
      )
  })
  cluster.on('exit', (worker) => {
    const snapshot = latest.get(worker) ?? []
    latest.delete(worker)
    serving.delete(worker)
    // At once, or a scrape that comes meanwhile would miss them. Sums are plain data too, whatever their type says.
    departed = Registry.aggregate([departed, counted(snapshot)]).getMetricsAsArray() as unknown as Snapshot
    reports.giveUp(worker)
  })
}
