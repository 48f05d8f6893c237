import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { context, diag, propagation } from './api.ts'
import type { Origin, TracingConfig, TracingLog } from './config.ts'

const samplerOf = ({ sampler: name, samplerRatio }: TracingConfig): Sampler => {
  const [, parentBased, root] = /^(parentbased_)?(.*)$/.exec(name) ?? []
  const samplers: Record<string, Sampler> = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
  }
  const sampler = samplers[root ?? ''] ?? new TraceIdRatioBasedSampler(samplerRatio)
  return parentBased === undefined ? sampler : new ParentBasedSampler({ root: sampler })
}

/** The names of OpenTelemetry. The environment may add more, and has the last word. */
const resourceOf = ({ service, version }: Origin, { environment, serviceName }: TracingConfig) =>
  defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': service,
        'service.version': version,
        'deployment.environment.name': environment,
      }),
    )
    .merge(detectResources({ detectors: [serviceInstanceIdDetector, resourceAttributesEnvDetector] }))
    .merge(resourceFromAttributes(serviceName === undefined ? {} : { 'service.name': serviceName }))

/** Says once that spans do not arrive, and when they do again. They are lost meanwhile; the service goes on. */
const reporting = (exporter: SpanExporter, log: TracingLog): SpanExporter => {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS
        if (failed && !failing) log.warn({ err: result.error }, 'traces cannot be exported')
        if (!failed && failing) log.info('traces are exported again')
        failing = failed
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
  }
}

const quiet = () => {}

/** The SDK of OpenTelemetry: batches of spans, at most 2,048 waiting, over OTLP/HTTP. */
export const openTelemetry = (origin: Origin, config: TracingConfig, log: TracingLog) => {
  const exporter = new OTLPTraceExporter({
    url: `${config.endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: config.timeoutMs,
  })
  const provider = new TracerProvider({
    resource: resourceOf(origin, config),
    sampler: samplerOf(config),
    spanProcessors: [new BatchSpanProcessor({ exporter: reporting(exporter, log) })],
  })
  // Its errors are those of the export, and told above; it warns when the queue overflows.
  diag.setLogger({
    error: quiet,
    warn: (message) => log.warn({}, `tracing: ${message}`),
    info: quiet,
    debug: quiet,
    verbose: quiet,
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // No baggage: it would carry to the other service, and on, whatever a caller writes into it.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  return {
    tracer: provider.getTracer('@shop/platform', origin.version),
    close: async () => {
      // What it rejects with has been told.
      await provider.shutdown().catch(quiet)
      for (const api of [context, propagation, diag]) api.disable()
    },
  }
}
