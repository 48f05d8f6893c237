import { createRequire } from 'node:module'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Attributes, Context, Span, SpanOptions, Tracer } from '@opentelemetry/api'
import { codeOf, type ErrorKind, kindOf } from '@shop/kernel/errors.ts'

export type { Span } from '@opentelemetry/api'

/** OpenTelemetry's API, which does nothing without an SDK. In CommonJS, for so the Prometheus client has loaded it already. */
export const { context, diag, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } =
  createRequire(import.meta.url)('@opentelemetry/api') as typeof OpenTelemetry

let tracer: Tracer | undefined

/** Whether this process makes spans. It is settled before anything is opened. */
export const isTracing = (): boolean => tracer !== undefined

/** From now on spans are made by this tracer, or, without one, none are. */
export const useTracer = (next: Tracer | undefined): void => {
  tracer = next
}

/** The span of a request, in the trace of its caller; none when there is no tracing. Whoever asks for it ends it. */
export const startRequest = (name: string, attributes: Attributes, caller: Context): Span | undefined =>
  tracer?.startSpan(name, { kind: SpanKind.SERVER, attributes }, caller)

/** A span within that of the request. What no traced request waits for has none: health checks, say, and migrations. */
const startWithin = (name: string, options: SpanOptions): Span | undefined =>
  trace.getActiveSpan() === undefined ? undefined : tracer?.startSpan(name, options)

/** The span of a call to another process, which has begun at `startTime` or begins now. */
export const startCall = (name: string, attributes: Attributes, startTime?: number): Span | undefined =>
  startWithin(name, { kind: SpanKind.CLIENT, attributes, ...(startTime !== undefined && { startTime }) })

/** What a span tells of an error is its type: a message may hold anything. A fault makes the span a failed one. */
export const recordErrorType = (span: Span | undefined, type: string, isFault: boolean): void => {
  span?.setAttribute('error.type', type)
  if (isFault) span?.setStatus({ code: SpanStatusCode.ERROR })
}

/** An error of ours, by its code. Only a fault makes the span a failed one; a refusal is an answer. */
export const recordError = (
  span: Span | undefined,
  { kind, code }: Readonly<{ kind: ErrorKind; code: string }>,
): void => recordErrorType(span, code, kind === 'internal' || kind === 'unavailable')

/** The type of an error that is not ours: its code when it has one, as those of drivers and of Node.js do, else its class. */
export const errorTypeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

const runInSpan = async <Result>(span: Span, call: () => Promise<Result>): Promise<Result> => {
  try {
    return await context.with(trace.setSpan(context.active(), span), call)
  } catch (error) {
    recordError(span, { kind: kindOf(error), code: codeOf(error) })
    throw error
  } finally {
    span.end()
  }
}

/** Makes the call inside of a span, which then tells the code of its error. */
export const inSpan = <Result>(name: string, call: () => Promise<Result>): Promise<Result> => {
  const span = startWithin(name, {})
  return span === undefined ? call() : runInSpan(span, call)
}

/** What several wait for is in the trace of the first; the spans of the others get a link to there. */
export const linkToFirst = ([first, ...others]: readonly (Span | undefined)[]): void => {
  if (first === undefined) return
  for (const span of others) if (span !== first) span?.addLink({ context: first.spanContext() })
}

/** Of the span that is active, for log lines. */
export const traceIds = (): { trace_id: string; span_id: string } | undefined => {
  const span = trace.getActiveSpan()?.spanContext()
  return span && { trace_id: span.traceId, span_id: span.spanId }
}

/** Of the span that is active, for exemplars: only when its trace is kept. */
export const exemplarIds = () => {
  const flags = trace.getActiveSpan()?.spanContext().traceFlags ?? TraceFlags.NONE
  return (flags & TraceFlags.SAMPLED) === 0 ? undefined : traceIds()
}
