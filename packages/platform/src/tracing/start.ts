import { useTracer } from './api.ts'
import type { Origin, TracingConfig, TracingLog } from './config.ts'

/**
 * Makes spans from now on, and exports them, when there is a configuration; otherwise nothing is loaded. To be disposed of
 * last: it then sends the spans that wait.
 */
export const startTracing = async (
  origin: Origin,
  config: TracingConfig | undefined,
  log: TracingLog,
): Promise<AsyncDisposable> => {
  if (config === undefined) return { [Symbol.asyncDispose]: async () => {} }
  const { openTelemetry } = await import('./sdk.ts')
  const telemetry = openTelemetry(origin, config, log)
  useTracer(telemetry.tracer)
  return {
    [Symbol.asyncDispose]: async () => {
      useTracer(undefined)
      await telemetry.close()
    },
  }
}
