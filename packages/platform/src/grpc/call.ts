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
import { callerGoneError, internalMessage, overloadMessage } from '../transports.ts'
import { errorCodeKey } from './client.ts'
import { grpcStatus } from './status.ts'
import { inServerSpan } from './tracing.ts'

export type Call = ServerUnaryCall<never, unknown>
export type Handler = (request: never, context: Context) => Promise<unknown>

export type Observers = Readonly<{
  logger: Logger
  metrics: Metrics
  /** Whether to reject calls because the process is overloaded. */
  isOverloaded?: () => boolean
}>

const statusNames = Object.fromEntries(Object.entries(status).map(([name, value]) => [value, name]))

/** The part of an error that the caller may see, like `problemOf` for HTTP. */
const callError = (error: unknown) => {
  const kind = kindOf(error)
  const metadata = new Metadata()
  metadata.set(errorCodeKey, codeOf(error))
  const isPublic = error instanceof AppError && kind !== 'internal'
  return {
    code: grpcStatus(kind),
    // A string with a lone surrogate cannot be sent and would crash the process.
    details: isPublic ? error.message.toWellFormed() : internalMessage,
    metadata,
  }
}

const isAppError = (request: unknown): request is AppError => request instanceof AppError

/** Aborts when the caller no longer waits: its deadline passed, it cancelled the call, or it disconnected. */
const signalOf = (call: Call): AbortSignal => {
  const controller = new AbortController()
  call.once('cancelled', () => controller.abort(callerGoneError))
  return controller.signal
}

/** The status that the caller of a cancelled call sees: its deadline has passed, or it cancelled the call. */
const cancelledStatus = (call: Call): status =>
  Number(call.getDeadline()) <= Date.now() ? status.DEADLINE_EXCEEDED : status.CANCELLED

/** Created once: overload produces many of these errors, and each would capture its own stack trace. */
const overloadError = new AppError('unavailable', overloadMessage)

/** Records one measurement and one log line for every finished call of the method. */
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

/** Records a failed call and returns the error to send to its caller. */
const failureRecorder =
  (method: string, { logger }: Observers, record: ReturnType<typeof callRecorder>) =>
  ({ call, error, started, requestId }: Failure) => {
    const failure = callError(error)
    failure.metadata.set(requestIdHeader, requestId)
    recordError(trace.getActiveSpan(), { kind: kindOf(error), code: codeOf(error) })
    const isFault = failure.code === status.INTERNAL || failure.code === status.UNAVAILABLE
    if (isFault && !call.cancelled && error !== overloadError)
      logger.error({ rpc: method, err: error }, 'call failed')
    record(started, call.cancelled ? cancelledStatus(call) : failure.code)
    return failure
  }

/**
 * Serves the calls of one RPC: reads and returns the request id, writes one measurement and one log line per
 * call, and maps errors to statuses.
 */
export const serveCalls = (method: string, handler: Handler, observers: Observers) => {
  const { isOverloaded } = observers
  const record = callRecorder(method, observers)
  const fail = failureRecorder(method, observers, record)

  const respond = async (call: Call, callback: sendUnaryData<unknown>, context: Context): Promise<void> => {
    const { requestId } = context
    const started = performance.now()
    try {
      if (isOverloaded?.()) throw overloadError
      if (isAppError(call.request)) throw call.request
      const response = await handler(call.request, context)
      record(started, status.OK)
      const metadata = new Metadata()
      metadata.set(requestIdHeader, requestId)
      // Only on success: a client that has received headers does not retry the call on another server.
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
    return inServerSpan({ method, metadata: call.metadata, requestId }, () =>
      requestContext.run(joinedIds ? { ...context, joinedIds } : context, () =>
        respond(call, callback, context),
      ),
    )
  }
}
