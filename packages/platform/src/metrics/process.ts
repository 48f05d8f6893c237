import { performance } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Registry } from '@prometheus-io/client'

/** Metrics of the library whose names violate Prometheus' rules. The first three are sums of other metrics. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_histogram',
  'nodejs_eventloop_utilization_summary',
]

const sampleIntervalMs = 60_000

/** Registers metrics of the process, its event loop and memory, and the running version. */
export const collectProcessMetrics = (registry: Registry, version: string): void => {
  // Sampled rarely, because its result is removed: utilization is measured below, from scrape to scrape.
  collectDefaultMetrics({ register: registry, eventLoopUtilizationTimeout: sampleIntervalMs })
  for (const name of misnamed) registry.removeSingleMetric(name)

  const registers = [registry]
  let last = performance.eventLoopUtilization()
  registry.registerMetric(
    new Gauge({
      name: 'nodejs_eventloop_utilization_ratio',
      help: 'Share of the time since the last scrape that the event loop was busy',
      aggregator: 'average',
      registers: [],
      collect() {
        const now = performance.eventLoopUtilization()
        this.set(performance.eventLoopUtilization(now, last).utilization)
        last = now
      },
    }),
  )
  new Gauge({
    name: 'build_info',
    help: 'The running version; always 1',
    labelNames: ['version'],
    aggregator: 'max',
    registers,
  }).set({ version }, 1)
}
