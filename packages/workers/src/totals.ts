import { Gauge, Registry } from '@prometheus-io/client'
import { withDeadline } from '@shop/platform/resilience/deadline.ts'

/** Every metric of a process, as plain data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/**
 * Returns the metrics that outlive their worker: those that are summed, except gauges. Metrics with another aggregator
 * describe the store, not the worker.
 */
const lastingMetrics = (snapshot: Snapshot): Snapshot =>
  snapshot.filter(({ type, aggregator }) => type !== 'gauge' && (aggregator ?? 'sum') === 'sum')

/** The number of workers that did not report, as a metric: an alert detects hung workers although the scrape succeeds. */
const missingReportsMetric = (service: string, count: number): Promise<Snapshot> => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  const help = 'Workers that did not report their metrics within two seconds; their last values are used'
  new Gauge({ name: 'workers_not_responding', help, registers: [registry] }).set(count)
  return registry.getMetricsAsJSON()
}

type TotalsOptions<Worker> = Readonly<{
  /** The value of the label `service`. */
  service: string
  /** Asks the worker for a report, which goes to `addReport`. */
  requestReport: (worker: Worker) => void
  onMissingReport: (worker: Worker) => void
  reportLimitMs: number
}>

/**
 * The metrics of all workers, each combined by its aggregator. Counters of exited workers stay in the sums; Prometheus
 * would take a drop for a counter reset.
 */
export class Totals<Worker> {
  readonly #options: TotalsOptions<Worker>
  /** The last report of each serving worker. A worker that is still loading is not listed, so no scrape waits for it. */
  readonly #reports = new Map<Worker, Snapshot>()
  readonly #requests = new Map<Worker, PromiseWithResolvers<void>>()
  #exited: Snapshot = []

  constructor(options: TotalsOptions<Worker>) {
    this.#options = options
  }

  addWorker(worker: Worker): void {
    this.#reports.set(worker, [])
  }

  addReport(worker: Worker, snapshot: Snapshot): void {
    if (this.#reports.has(worker)) this.#reports.set(worker, snapshot)
    this.#settleRequest(worker)
  }

  /** Synchronous, so that no scrape misses the counters of the worker. */
  removeWorker(worker: Worker): void {
    const counts = lastingMetrics(this.#reports.get(worker) ?? [])
    // The sums are plain data too, although their type says otherwise.
    this.#exited = Registry.aggregate([this.#exited, counts]).getMetricsAsArray() as unknown as Snapshot
    this.#reports.delete(worker)
    this.#settleRequest(worker)
  }

  /** The totals in Prometheus' text format. A worker that does not report in time is included with its last report. */
  async text(): Promise<string> {
    const reported = await Promise.all([...this.#reports.keys()].map((worker) => this.#refresh(worker)))
    const missing = await missingReportsMetric(
      this.#options.service,
      reported.filter((isReported) => !isReported).length,
    )
    return Registry.aggregate([missing, this.#exited, ...this.#reports.values()]).metrics()
  }

  /**
   * Requests a report, and resolves with whether it came in time. Scrapes share a request that has no response
   * yet, so that requests do not pile up at a hung worker.
   */
  async #refresh(worker: Worker): Promise<boolean> {
    let request = this.#requests.get(worker)
    if (request === undefined) {
      request = Promise.withResolvers<void>()
      this.#requests.set(worker, request)
      this.#options.requestReport(worker)
    }
    const { reportLimitMs, onMissingReport } = this.#options
    try {
      await withDeadline(reportLimitMs, 'a worker did not report its metrics', request.promise)
      return true
    } catch {
      onMissingReport(worker)
      return false
    }
  }

  #settleRequest(worker: Worker): void {
    this.#requests.get(worker)?.resolve()
    this.#requests.delete(worker)
  }
}
