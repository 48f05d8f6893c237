import { Counter, Gauge } from '@prometheus-io/client'
import type { Metrics } from '../metrics/metrics.ts'

/** Registers the metrics of the audit log. `waiting` returns how many lines wait to be written. Returns a function that counts lost lines. */
export const auditMetrics = ({ registry }: Pick<Metrics, 'registry'>, waiting: () => number) => {
  const lost = new Counter({
    name: 'audit_lines_lost_total',
    help: 'Audit lines that could not be written',
    registers: [registry],
  })
  // Prometheus needs the 0 to notice the first.
  lost.inc(0)
  registry.registerMetric(
    new Gauge({
      name: 'audit_lines_waiting',
      help: 'Audit lines that wait because the last attempt to write has failed',
      registers: [],
      collect() {
        this.set(waiting())
      },
    }),
  )
  return (count: number): void => lost.inc(count)
}
