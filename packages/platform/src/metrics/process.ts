import { performance } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Registry } from '@prometheus-io/client'

/**
 * The library's metrics whose names violate Prometheus' rules. The first three only repeat sums of others.
 */
const misnamedMetrics = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_histogram',
  'nodejs_eventloop_utilization_summary',
]

const sampleIntervalMs = 60_000

/** Registers metrics of the process, its event loop and memory, and the running version. */
export const collectProcessMetrics = (registry: Registry, version: string): void => {
  // The library's utilization metrics are removed below, so their timer runs only once a minute. Our own
  // gauge covers the time between two scrapes.
  collectDefaultMetrics({ register: registry, eventLoopUtilizationTimeout: sampleIntervalMs })
  for (const name of misnamedMetrics) registry.removeSingleMetric(name)

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
