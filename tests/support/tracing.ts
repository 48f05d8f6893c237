import {
  context,
  ROOT_CONTEXT,
  startRequest,
  startTracing,
  type TracingConfig,
  trace,
} from '../../packages/platform/src/tracing.ts'
import { silentLogger } from './logger.ts'
import { type Span, startCollector } from './otlp.ts'

/** What the configuration comes to when no variable is set. */
export const untraced: TracingConfig = {
  ENVIRONMENT: 'development',
  OTEL_EXPORTER_OTLP_TIMEOUT: 3_000,
  OTEL_TRACES_SAMPLER: 'parentbased_always_on',
  OTEL_TRACES_SAMPLER_ARG: '1',
}

/** Who makes the spans of a test. */
export const origin = { service: 'test-service', version: '1.2.3' }

/** Runs `work` with tracing on in this process. Resolves with the spans that a collector has got when it is off again. */
export const spansOf = async (
  work: () => Promise<unknown>,
  config: Partial<TracingConfig> = {},
): Promise<readonly Span[]> => {
  await using collector = await startCollector()
  const traced = { ...untraced, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...config }
  {
    await using _ = await startTracing(origin, traced, silentLogger)
    await work()
  }
  return collector.spans
}

/** Runs `work` as what a traced request does; the span of that has the name. */
export const inRequest = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
  const span = startRequest(name, {}, ROOT_CONTEXT)
  if (span === undefined) throw new Error('tracing is off')
  try {
    return await context.with(trace.setSpan(ROOT_CONTEXT, span), work)
  } finally {
    span.end()
  }
}
