import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { ExportResultCode, parseKeyPairsIntoRecord, W3CTraceContextPropagator } from '@opentelemetry/core'
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
import { expectedFailure } from '../failure.ts'
import { context, diag, propagation } from './api.ts'
import type { TracedService, TracingConfig, TracingLog } from './config.ts'

const samplerOf = ({ sampler: name, samplerRatio }: TracingConfig): Sampler => {
  const [, parentBased, root] = /^(parentbased_)?(.*)$/.exec(name) ?? []
  const samplers: Record<string, Sampler> = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
  }
  const sampler = samplers[root ?? ''] ?? new TraceIdRatioBasedSampler(samplerRatio)
  return parentBased === undefined ? sampler : new ParentBasedSampler({ root: sampler })
}

/**
 * The resource attributes, under their OpenTelemetry names. OTEL_RESOURCE_ATTRIBUTES adds to them and
 * overrides them; OTEL_SERVICE_NAME overrides both.
 */
const resourceOf = ({ service, version }: TracedService, { environment, serviceName }: TracingConfig) =>
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

/** Logs once when exports begin to fail, and once when they work again. Spans are lost in between. */
const logFailures = (exporter: SpanExporter, log: TracingLog): SpanExporter => {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS
        if (failed && !failing) log.warn(expectedFailure(result.error), 'traces cannot be exported')
        if (!failed && failing) log.info('traces are exported again')
        failing = failed
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
  }
}

const noop = () => {}

/** Sets up the OpenTelemetry SDK. It sends spans in batches over OTLP/HTTP, and queues at most 2,048. */
export const setUpOpenTelemetry = (tracedService: TracedService, config: TracingConfig, log: TracingLog) => {
  const exporter = new OTLPTraceExporter({
    url: `${config.endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: config.timeoutMs,
    ...(config.headers !== undefined && { headers: parseKeyPairsIntoRecord(config.headers) }),
  })
  const provider = new TracerProvider({
    resource: resourceOf(tracedService, config),
    sampler: samplerOf(config),
    spanProcessors: [new BatchSpanProcessor({ exporter: logFailures(exporter, log) })],
  })
  // The SDK's errors are failed exports, which `logFailures` logs. Its warnings report dropped spans.
  diag.setLogger({
    error: noop,
    warn: (message) => log.warn({}, `tracing: ${message}`),
    info: noop,
    debug: noop,
    verbose: noop,
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // No baggage: the services would pass on anything that a caller writes into it.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  return {
    tracer: provider.getTracer('@shop/platform', tracedService.version),
    close: async () => {
      // A failed export has already been logged.
      await provider.shutdown().catch(noop)
      for (const api of [context, propagation, diag]) api.disable()
    },
  }
}
