import cluster, { type Worker } from 'node:cluster'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { shareIdentical } from '@shop/platform/resilience/share-identical.ts'
import { Totals } from './totals.ts'
import type { ToSupervisor, ToWorker } from './worker.ts'

const reportLimitMs = 2_000

/** Does nothing when the worker has exited. */
export const send = (worker: Worker, message: ToWorker): void => {
  if (worker.isConnected()) worker.send(message)
}

export const workers = (): Worker[] =>
  Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)

/** Sends the totals of all workers to each worker that requests them. Requests at the same time share them. */
export const serveTotals = (service: string, logger: Logger): void => {
  const totals = new Totals<Worker>({
    service,
    requestReport: (worker) => send(worker, { type: 'report' }),
    onMissingReport: ({ id }) => logger.warn({ worker: id }, 'worker did not report metrics'),
    reportLimitMs,
  })
  const shareTotals = shareIdentical(
    () => '',
    () => totals.text(),
  )
  cluster.on('message', (worker, message: ToSupervisor) => {
    if (message.type === 'started') totals.addWorker(worker)
    if (message.type === 'report') totals.addReport(worker, message.snapshot)
    if (message.type === 'metrics')
      void shareTotals(undefined).then(
        (text) => send(worker, { type: 'metrics', text }),
        () => send(worker, { type: 'metrics', text: undefined }),
      )
  })
  cluster.on('exit', (worker) => totals.removeWorker(worker))
}
