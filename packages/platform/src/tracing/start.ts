import { useTracer } from './api.ts'
import type { TracedService, TracingConfig, TracingLog } from './config.ts'

/**
 * Starts creating and exporting spans if tracing is configured; otherwise loads nothing. Dispose of the
 * result last, because disposal sends the spans that are still queued.
 */
export const startTracing = async (
  tracedService: TracedService,
  config: TracingConfig | undefined,
  log: TracingLog,
): Promise<AsyncDisposable> => {
  if (config === undefined) return { [Symbol.asyncDispose]: async () => {} }
  const { setUpOpenTelemetry } = await import('./sdk.ts')
  const telemetry = setUpOpenTelemetry(tracedService, config, log)
  useTracer(telemetry.tracer)
  return {
    [Symbol.asyncDispose]: async () => {
      useTracer(undefined)
      await telemetry.close()
    },
  }
}
