import { InterceptingCall, type Interceptor, type Metadata, status } from '@grpc/grpc-js'
import {
  context,
  isTracing,
  propagation,
  ROOT_CONTEXT,
  recordError,
  startCall,
  startRequest,
  trace,
} from '../tracing/api.ts'
import { errorCodeKey } from './client.ts'
import { removedIds } from './ids/untrusted-ids.ts'
import { meaningOf } from './status.ts'

const attributesOf = (method: string) => ({ 'rpc.system.name': 'grpc', 'rpc.method': method })

const carrier = {
  get: (metadata: Metadata, key: string) => metadata.get(key).map(String),
  keys: (metadata: Metadata) => Object.keys(metadata.getMap()),
  set: (metadata: Metadata, key: string, value: string) => metadata.set(key, value),
}

/**
 * Gives every outgoing call of a request a span, whose ids are sent as `traceparent`. All attempts of a call
 * share one span.
 */
export const traceCalls: Interceptor = (options, nextCall) => {
  const method = options.method_definition.path.slice(1)
  const span = startCall(method, attributesOf(method))
  if (span === undefined) return nextCall(options) as InterceptingCall
  return new InterceptingCall(nextCall(options), {
    start: (metadata, _listener, next) => {
      propagation.inject(trace.setSpan(context.active(), span), metadata, carrier)
      next(metadata, {
        onReceiveStatus: (received, pass) => {
          const { code, metadata: trailer } = received
          span.setAttribute('rpc.response.status_code', status[code] ?? 'UNKNOWN')
          if (code !== status.OK) recordError(span, meaningOf(code, trailer.get(errorCodeKey)[0]))
          span.end()
          pass(received)
        },
      })
    },
  })
}

/** Serves a call within a span, in the trace of a trusted caller if it sent one. */
export const inServerSpan = <Result>(
  { method, metadata, requestId }: Readonly<{ method: string; metadata: Metadata; requestId: string }>,
  serve: () => Promise<Result>,
): Promise<Result> => {
  // Reading the ids would take time for nothing.
  if (!isTracing()) return serve()
  const removed = removedIds(metadata)
  const caller = {
    trace: propagation.extract(ROOT_CONTEXT, removed ?? metadata, carrier),
    isTrusted: removed === undefined,
  }
  const attributes = { ...attributesOf(method), request_id: requestId }
  const started = startRequest(method, attributes, caller)
  if (started === undefined) return serve()
  return context.with(started.within, serve).finally(() => started.span.end())
}
