import { context, ROOT_CONTEXT, startRequest, trace } from '@shop/platform/tracing/api.ts'
import type { TracingConfig } from '@shop/platform/tracing/config.ts'
import { startTracing } from '@shop/platform/tracing/start.ts'
import { silentLogger } from './logger.ts'
import { type Span, startCollector } from './otlp.ts'

/** What the configuration comes to when no variable is set but that of the endpoint. */
export const tracingTo = (endpoint: string): TracingConfig => ({
  endpoint,
  timeoutMs: 3_000,
  environment: 'development',
  sampler: 'parentbased_always_on',
  samplerRatio: 1,
})

/** Who makes the spans of a test. */
export const origin = { service: 'test-service', version: '1.2.3' }

/** Runs `work` with tracing on in this process. Resolves with the spans that a collector has got when it is off again. */
export const spansOf = async (
  work: () => Promise<unknown>,
  config: Partial<TracingConfig> = {},
): Promise<readonly Span[]> => {
  await using collector = await startCollector()
  const traced = { ...tracingTo(collector.url), ...config }
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
