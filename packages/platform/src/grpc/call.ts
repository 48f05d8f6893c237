import { Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { Context } from '@shop/kernel/context.ts'
import { AppError, codeOf, kindOf } from '@shop/kernel/errors.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import { type Logger, withoutRedaction } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import {
  joinedIdsFrom,
  joinedIdsHeader,
  requestContext,
  requestIdFrom,
  requestIdHeader,
} from '../request-context.ts'
import { recordError, trace } from '../tracing/api.ts'
import { callerGone, internalMessage, overloadMessage } from '../transports.ts'
import { errorCodeKey } from './client.ts'
import { grpcStatus } from './status.ts'
import { inSpanOfCall } from './tracing.ts'

export type Call = ServerUnaryCall<never, unknown>
export type Handler = (request: never, context: Context) => Promise<unknown>

export type Observers = Readonly<{
  logger: Logger
  metrics: Metrics
  /** Whether calls are to be refused because there are too many. */
  isOverloaded?: () => boolean
}>

const statusNames = Object.fromEntries(Object.entries(status).map(([name, value]) => [value, name]))

/** What the caller may know of an error, as with `problemOf` over HTTP. */
const callError = (error: unknown) => {
  const kind = kindOf(error)
  const metadata = new Metadata()
  metadata.set(errorCodeKey, codeOf(error))
  const known = error instanceof AppError && kind !== 'internal'
  return {
    code: grpcStatus(kind),
    // What is not well-formed cannot be sent, and would end the process.
    details: known ? error.message.toWellFormed() : internalMessage,
    metadata,
  }
}

const isAppError = (request: unknown): request is AppError => request instanceof AppError

/** Aborted when the caller no longer waits: its deadline has passed, or it went away. */
const signalOf = (call: Call): AbortSignal => {
  const waiting = new AbortController()
  call.once('cancelled', () => waiting.abort(callerGone))
  return waiting.signal
}

/** What the caller of an aborted call has seen: its deadline passed, or it went away itself. */
const abortedStatus = (call: Call): status =>
  Number(call.getDeadline()) <= Date.now() ? status.DEADLINE_EXCEEDED : status.CANCELLED

/** Made once: there are many, when there are any, and each would take its stack. */
const overload = new AppError('unavailable', overloadMessage)

/** One measurement and one log line for each call of the method, when it is answered. */
const callRecorder = (method: string, { logger, metrics }: Observers) => {
  const calls = withoutRedaction(logger)
  return (started: number, code: status) => {
    const seconds = (performance.now() - started) / 1000
    const name = statusNames[code] ?? 'UNKNOWN'
    trace.getActiveSpan()?.setAttribute('rpc.response.status_code', name)
    metrics.rpcServerDuration.observe({ rpc_method: method, rpc_response_status_code: name }, seconds)
    calls.info({ rpc: method, status: name, duration_ms: Math.round(seconds * 100_000) / 100 }, 'call')
  }
}

type Failure = Readonly<{ call: Call; error: unknown; started: number; requestId: string }>

/** Records a call that failed, and gives what its caller is told. */
const failureRecorder =
  (method: string, { logger }: Observers, record: ReturnType<typeof callRecorder>) =>
  ({ call, error, started, requestId }: Failure) => {
    const failure = callError(error)
    failure.metadata.set(requestIdHeader, requestId)
    recordError(trace.getActiveSpan(), { kind: kindOf(error), code: codeOf(error) })
    const ours = failure.code === status.INTERNAL || failure.code === status.UNAVAILABLE
    if (ours && !call.cancelled && error !== overload)
      logger.error({ rpc: method, err: error }, 'call failed')
    record(started, call.cancelled ? abortedStatus(call) : failure.code)
    return failure
  }

/** One RPC: the request id in and out, one measurement, one log line; errors by the table. */
export const serveCalls = (method: string, handler: Handler, observers: Observers) => {
  const { isOverloaded } = observers
  const record = callRecorder(method, observers)
  const fail = failureRecorder(method, observers, record)

  const answer = async (call: Call, callback: sendUnaryData<unknown>, context: Context): Promise<void> => {
    const { requestId } = context
    const started = performance.now()
    try {
      if (isOverloaded?.()) throw overload
      if (isAppError(call.request)) throw call.request
      const response = await handler(call.request, context)
      record(started, status.OK)
      const metadata = new Metadata()
      metadata.set(requestIdHeader, requestId)
      // Not earlier: a caller who has received it does not ask another server when this one fails.
      call.sendMetadata(metadata)
      callback(null, response)
    } catch (error) {
      callback(fail({ call, error, started, requestId }))
    }
  }

  return (call: Call, callback: sendUnaryData<unknown>): Promise<void> => {
    const requestId = requestIdFrom(call.metadata.get(requestIdHeader)[0])
    const joinedIds = joinedIdsFrom(call.metadata.get(joinedIdsHeader)[0])
    const context = { requestId, principal: anonymous, signal: signalOf(call) }
    return inSpanOfCall({ method, metadata: call.metadata, requestId }, () =>
      requestContext.run(joinedIds ? { ...context, joinedIds } : context, () =>
        answer(call, callback, context),
      ),
    )
  }
}
