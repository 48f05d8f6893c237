import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { isTracing } from '@shop/platform/tracing/api.ts'
import { measureStatements, type StatementEvent } from './metrics.ts'
import { traceStatement } from './tracing.ts'

/** Kysely's `log` option: measures each statement if metrics are given, and traces it if tracing is on. */
export const statementLog = (metrics: Metrics | undefined): { log?: (event: StatementEvent) => void } => {
  const observers = [
    ...(metrics === undefined ? [] : [measureStatements(metrics)]),
    ...(isTracing() ? [traceStatement] : []),
  ]
  if (observers.length === 0) return {}
  return {
    log: (event) => {
      for (const observe of observers) observe(event)
    },
  }
}
