import { Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { Context } from '@shop/kernel/context.ts'
import { AppError, codeOf, kindOf } from '@shop/kernel/errors.ts'
import { anonymous } from '@shop/kernel/principal.ts'
import type { FailureLog } from '../logging/failure-log.ts'
import { type Logger, withoutRedaction } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { parseRequestId, requestContext, requestIdFrom, requestIdHeader } from '../request-context.ts'
import { recordError, trace } from '../tracing/api.ts'
import { callerGoneError, overloadMessage } from '../transports.ts'
import { joinedIdsIn } from './ids/joined-ids.ts'
import { removedIds } from './ids/untrusted-ids.ts'
import { publicErrorOf } from './public-error.ts'
import { inServerSpan } from './tracing.ts'

export type Call = ServerUnaryCall<never, unknown>
export type Handler = (request: never, context: Context) => Promise<unknown>

export type Observers = Readonly<{
  logger: Logger
  metrics: Metrics
  /** Whether to reject calls because the process is overloaded. */
  isOverloaded?: () => boolean
}>

type ServerObservers = Observers & Readonly<{ failures: FailureLog }>

const statusNames = Object.fromEntries(Object.entries(status).map(([name, value]) => [value, name]))

const isAppError = (request: unknown): request is AppError => request instanceof AppError

/**
 * Returns a signal that aborts when the caller no longer waits: its deadline passed, it cancelled the call,
 * or it disconnected.
 */
const signalOf = (call: Call): AbortSignal => {
  const controller = new AbortController()
  call.once('cancelled', () => controller.abort(callerGoneError))
  return controller.signal
}

/** The deadline of a call that begins now, by the monotonic clock, which never steps as the wall clock may. */
const deadlineOf = (call: Call): number => performance.now() + Number(call.getDeadline()) - Date.now()

/** Timers have a resolution of one millisecond and may fire that much early. */
const timerResolutionMs = 1

/** The status of a cancelled call: DEADLINE_EXCEEDED if the deadline has passed, otherwise CANCELLED. */
const cancelledStatus = (deadline: number): status =>
  performance.now() >= deadline - timerResolutionMs ? status.DEADLINE_EXCEEDED : status.CANCELLED

/** Created once: overload produces many of these errors, and each would capture its own stack trace. */
const overloadError = new AppError('unavailable', overloadMessage)

/** The id that the caller sent, if the call has another one because the caller is not trusted. */
const clientRequestId = ({ metadata }: Call): string | undefined => {
  const [sent] = removedIds(metadata)?.get(requestIdHeader) ?? []
  return typeof sent === 'string' ? parseRequestId(sent) : undefined
}

/** Returns a function that records one measurement and one log line for a finished call of the method. */
const callRecorder = (method: string, { logger, metrics }: ServerObservers) => {
  const callLogger = withoutRedaction(logger)
  return (call: Call, started: number, code: status, cause?: string) => {
    const seconds = (performance.now() - started) / 1000
    const name = statusNames[code] ?? 'UNKNOWN'
    trace.getActiveSpan()?.setAttribute('rpc.response.status_code', name)
    metrics.rpcServerDuration.observe({ rpc_method: method, rpc_response_status_code: name }, seconds)
    const duration_ms = Math.round(seconds * 100_000) / 100
    const client_request_id = clientRequestId(call)
    callLogger.info({ rpc: method, client_request_id, status: name, duration_ms, cause }, 'call')
  }
}

type FailedCall = Readonly<{
  call: Call
  error: unknown
  started: number
  deadline: number
  requestId: string
}>

/** Returns a function that records a failed call, and returns the error to send to its caller. */
const failureRecorder =
  (method: string, { failures }: ServerObservers, record: ReturnType<typeof callRecorder>) =>
  ({ call, error, started, deadline, requestId }: FailedCall) => {
    const [service = ''] = method.split('/')
    const publicError = publicErrorOf(error, { service, requestId })
    recordError(trace.getActiveSpan(), { kind: kindOf(error), code: codeOf(error) })
    const isFault = publicError.code === status.INTERNAL || publicError.code === status.UNAVAILABLE
    if (call.cancelled) record(call, started, cancelledStatus(deadline))
    else if (isFault && error !== overloadError)
      record(call, started, publicError.code, failures.record(error, { rpc: method }))
    else record(call, started, publicError.code)
    return publicError
  }

/**
 * Returns the gRPC handler of one RPC. It reads the request id, or creates one, and sends it back. It records
 * one measurement and one log line per call, and maps errors to statuses.
 */
export const serveCalls = (method: string, handler: Handler, observers: ServerObservers) => {
  const { isOverloaded } = observers
  const record = callRecorder(method, observers)
  const fail = failureRecorder(method, observers, record)

  const respond = async (call: Call, callback: sendUnaryData<unknown>, context: Context): Promise<void> => {
    const { requestId } = context
    const started = performance.now()
    const deadline = deadlineOf(call)
    try {
      if (isOverloaded?.()) throw overloadError
      // `withStrictDecoding` passes an `invalid` error as the request if the message cannot be decoded.
      if (isAppError(call.request)) throw call.request
      const response = await handler(call.request, context)
      record(call, started, status.OK)
      const metadata = new Metadata()
      metadata.set(requestIdHeader, requestId)
      // Headers are sent only on success: a client that has received them does not retry on another server.
      call.sendMetadata(metadata)
      callback(null, response)
    } catch (error) {
      callback(fail({ call, error, started, deadline, requestId }))
    }
  }

  return (call: Call, callback: sendUnaryData<unknown>): Promise<void> => {
    const requestId = requestIdFrom(call.metadata.get(requestIdHeader)[0])
    const joinedIds = joinedIdsIn(call.metadata)
    const context = { requestId, principal: anonymous, signal: signalOf(call) }
    return inServerSpan({ method, metadata: call.metadata, requestId }, () =>
      requestContext.run(joinedIds ? { ...context, joinedIds } : context, () =>
        respond(call, callback, context),
      ),
    )
  }
}
