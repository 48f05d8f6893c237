import { createRequire } from 'node:module'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Attributes, Context, Link, Span, SpanOptions, Tracer } from '@opentelemetry/api'
import { codeOf, type ErrorKind, kindOf } from '@shop/kernel/errors.ts'

export type { Span } from '@opentelemetry/api'

/**
 * OpenTelemetry's API, a no-op without an SDK. Loaded as CommonJS, because the Prometheus client loads that
 * too.
 */
export const { context, diag, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } =
  createRequire(import.meta.url)('@opentelemetry/api') as typeof OpenTelemetry

let tracer: Tracer | undefined

/** Whether this process creates spans. Decided at startup, before adapters and servers are created. */
export const isTracing = (): boolean => tracer !== undefined

/** Creates all further spans with this tracer; undefined turns tracing off. */
export const useTracer = (next: Tracer | undefined): void => {
  tracer = next
}

/** The trace that a request names, and whether the request may join it and decide whether it is sampled. */
export type Caller = Readonly<{ trace: Context; isTrusted: boolean }>

/** A link names only the ids: `tracestate` is text of the caller's choice. */
const linksTo = (caller: Context): Link[] => {
  const { traceId, spanId, traceFlags } = trace.getSpanContext(caller) ?? {}
  if (traceId === undefined || spanId === undefined || traceFlags === undefined) return []
  return [{ context: { traceId, spanId, traceFlags, isRemote: true } }]
}

/**
 * Starts the span of a request, and returns it with the context to run the request in; undefined without tracing.
 * End the span when done. It is in the trace of the caller, if that is trusted. Otherwise it begins a trace, which only
 * links to the span of the caller.
 */
export const startRequest = (name: string, attributes: Attributes, { trace: caller, isTrusted }: Caller) => {
  const parent = isTrusted ? caller : ROOT_CONTEXT
  const links = isTrusted ? [] : linksTo(caller)
  const span = tracer?.startSpan(name, { kind: SpanKind.SERVER, attributes, links }, parent)
  return span && { span, within: trace.setSpan(parent, span) }
}

/** Starts a span within the active one. Work outside a request, such as a health check, gets no span. */
const startWithin = (name: string, options: SpanOptions): Span | undefined =>
  trace.getActiveSpan() === undefined ? undefined : tracer?.startSpan(name, options)

/** Starts the span of a call to another process, at `startTime` if given, otherwise now. */
export const startCall = (name: string, attributes: Attributes, startTime?: number): Span | undefined =>
  startWithin(name, { kind: SpanKind.CLIENT, attributes, ...(startTime !== undefined && { startTime }) })

/**
 * Records only the type of an error, because a message may contain secrets. A fault marks the span as failed.
 */
export const recordErrorType = (span: Span | undefined, type: string, isFault: boolean): void => {
  span?.setAttribute('error.type', type)
  if (isFault) span?.setStatus({ code: SpanStatusCode.ERROR })
}

/** Records an `AppError` by its code. A fault marks the span as failed; a rejection is a valid response. */
export const recordError = (
  span: Span | undefined,
  { kind, code }: Readonly<{ kind: ErrorKind; code: string }>,
): void => recordErrorType(span, code, kind === 'internal' || kind === 'unavailable')

/** The type of an error from a library: its code, as set by drivers and Node.js, otherwise its class name. */
export const errorTypeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Runs the function as part of this span, whatever the current one is. */
export const within = <Result>(span: Span | undefined, run: () => Result): Result =>
  tracer === undefined
    ? run()
    : context.with(span === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, span), run)

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

/** Makes the call within a span, and records the code of its error in the span. */
export const inSpan = <Result>(name: string, call: () => Promise<Result>): Promise<Result> => {
  const span = startWithin(name, {})
  return span === undefined ? call() : runInSpan(span, call)
}

/**
 * Links the other spans to the first: work that several callers wait for belongs to the trace of the first.
 */
export const linkToFirst = ([first, ...others]: readonly (Span | undefined)[]): void => {
  if (first === undefined) return
  for (const span of others) if (span !== first) span?.addLink({ context: first.spanContext() })
}

/** The ids of the active span, for log lines. */
export const traceIds = (): { trace_id: string; span_id: string } | undefined => {
  if (tracer === undefined) return undefined
  const span = trace.getActiveSpan()?.spanContext()
  return span && { trace_id: span.traceId, span_id: span.spanId }
}

/** The ids of the active span, for exemplars; undefined unless its trace is sampled. */
export const exemplarIds = () => {
  const flags = trace.getActiveSpan()?.spanContext().traceFlags ?? TraceFlags.NONE
  return (flags & TraceFlags.SAMPLED) === 0 ? undefined : traceIds()
}
