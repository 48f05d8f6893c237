import { Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import type { Context } from '@shop/kernel/context.ts'
import { AppError, codeOf, kindOf } from '@shop/kernel/errors.ts'
import type { FailureLog } from '../logging/failure-log.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { requestContext, requestIdHeader } from '../request-context.ts'
import { recordError, trace } from '../tracing/api.ts'
import { overloadMessage } from '../transports.ts'
import { type BoundedCall, callOf } from './calls/bounded-call.ts'
import { CallContext } from './calls/call-context.ts'
import { publicErrorOf } from './public-error.ts'
import { inServerSpan } from './tracing.ts'

export type Call = ServerUnaryCall<never, unknown>
export type Handler = (request: never, context: Context) => Promise<unknown>
type Encode = (response: unknown) => Buffer

export type Observers = Readonly<{
  logger: Logger
  metrics: Metrics
  /** Whether to reject calls because the process is overloaded. */
  isOverloaded?: () => boolean
}>

type ServerObservers = Observers & Readonly<{ failures: FailureLog }>

const isAppError = (request: unknown): request is AppError => request instanceof AppError

/** The deadline of a call that begins now, by the monotonic clock, which never steps as the wall clock may. */
const deadlineOf = (call: Call): number => performance.now() + Number(call.getDeadline()) - Date.now()

/** Timers have a resolution of one millisecond and may fire that much early. */
const timerResolutionMs = 1

/** The status of a cancelled call: DEADLINE_EXCEEDED if the deadline has passed, otherwise CANCELLED. */
const cancelledStatus = (deadline: number): status =>
  performance.now() >= deadline - timerResolutionMs ? status.DEADLINE_EXCEEDED : status.CANCELLED

/** Created once: overload produces many of these errors, and each would capture its own stack trace. */
const overloadError = new AppError('unavailable', overloadMessage)

type FailedCall = Readonly<{ call: Call; received: BoundedCall; error: unknown; deadline: number }>

/** Returns a function that records a failed call, and returns the error to send to its caller. */
const failureRecorder =
  ({ failures }: ServerObservers) =>
  ({ call, received, error, deadline }: FailedCall) => {
    const { name, service, record } = received.method
    const publicError = publicErrorOf(error, { service, requestId: received.requestId })
    recordError(trace.getActiveSpan(), { kind: kindOf(error), code: codeOf(error) })
    const isFault = publicError.code === status.INTERNAL || publicError.code === status.UNAVAILABLE
    if (call.cancelled) record(received, cancelledStatus(deadline))
    else if (isFault && error !== overloadError)
      record(received, publicError.code, failures.record(error, { rpc: name }))
    else record(received, publicError.code)
    return publicError
  }

const headersOf = ({ requestId, isReplayed }: CallContext): Metadata => {
  const metadata = new Metadata()
  metadata.set(requestIdHeader, requestId)
  if (isReplayed) metadata.set('idempotent-replayed', 'true')
  return metadata
}

/**
 * Returns the gRPC handler of one RPC. It sends the request id back, records one measurement and one log line per call, and
 * maps errors to statuses. `encode` is the serializer of the responses.
 */
export const serveCalls = (handler: Handler, encode: Encode, observers: ServerObservers) => {
  const { isOverloaded } = observers
  const fail = failureRecorder(observers)

  const respond = async (
    call: Call,
    received: BoundedCall,
    callback: sendUnaryData<unknown>,
    context: CallContext,
  ): Promise<void> => {
    const deadline = deadlineOf(call)
    received.takeOver()
    try {
      if (isOverloaded?.()) throw overloadError
      // `withStrictDecoding` passes an `invalid` error as the request if the message cannot be decoded.
      if (isAppError(call.request)) throw call.request
      const response = encode(await handler(call.request, context))
      const refusal = received.hold(response.length)
      if (refusal !== undefined) throw refusal
      received.hasSucceeded = true
      received.method.record(received, status.OK)
      // Headers are sent only on success: a client that has received them does not retry on another server.
      call.sendMetadata(headersOf(context))
      callback(null, response)
    } catch (error) {
      callback(fail({ call, received, error, deadline }))
    }
  }

  return (call: Call, callback: sendUnaryData<unknown>): Promise<void> => {
    const received = callOf(call.metadata)
    const { requestId, method } = received
    const context = new CallContext(call, received)
    return inServerSpan({ method: method.name, metadata: call.metadata, requestId }, () =>
      requestContext.run(context, () => respond(call, received, callback, context)),
    )
  }
}
