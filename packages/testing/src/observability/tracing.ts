import { context, ROOT_CONTEXT, startRequest } from '@shop/platform/tracing/api.ts'
import type { TracingConfig } from '@shop/platform/tracing/config.ts'
import { startTracing } from '@shop/platform/tracing/start.ts'
import { silentLogger } from './logger.ts'
import { type Span, startCollector } from './otlp.ts'

/** The configuration that results when only the endpoint is set. */
export const tracingConfig = (endpoint: string): TracingConfig => ({
  endpoint,
  timeoutMs: 3_000,
  environment: 'development',
  sampler: 'parentbased_always_on',
  samplerRatio: 1,
})

/** The service to which a test's spans belong. */
export const origin = { service: 'test-service', version: '1.2.3' }

/** Runs `work` with tracing on in this process. Resolves with all spans that a collector received. */
export const spansOf = async (
  work: () => Promise<unknown>,
  config: Partial<TracingConfig> = {},
): Promise<readonly Span[]> => {
  await using collector = await startCollector()
  const tracing = { ...tracingConfig(collector.url), ...config }
  {
    await using _ = await startTracing(origin, tracing, silentLogger)
    await work()
  }
  return collector.spans
}

/** Runs `work` inside a traced request, whose span has this name. */
export const inRequest = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
  const started = startRequest(name, {}, { trace: ROOT_CONTEXT, isTrusted: false })
  if (started === undefined) throw new Error('tracing is off')
  try {
    return await context.with(started.within, work)
  } finally {
    started.span.end()
  }
}
