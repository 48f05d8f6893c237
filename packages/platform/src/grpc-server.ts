import { setTimeout as delay } from 'node:timers/promises'
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { AppError, codeOf } from '@shop/kernel/errors.ts'
import { grpcStatus } from './error-status.ts'
import { errorCodeKey } from './grpc-client.ts'
import { decodedStrictly } from './grpc-decoding.ts'
import type { GrpcExtension } from './grpc-operations.ts'
import { inSpanOfCall } from './grpc-tracing.ts'
import { type Logger, ofHarmlessFields } from './logger.ts'
import type { Metrics } from './metrics.ts'
import {
  joinedIdsFrom,
  joinedIdsHeader,
  requestContext,
  requestIdFrom,
  requestIdHeader,
} from './request-context.ts'
import { recordError, trace } from './tracing.ts'

const drainLimitMs = 8_000
/** What the last answers need to leave the process: turns of the event loop, so that a stall does not use up the time. */
const flush = async () => {
  for (let turn = 0; turn < 10; turn++) await delay(10)
}

const serverOptions = {
  'grpc.max_receive_message_length': 64 * 1024,
  // Of a connection; others wait on the other side.
  'grpc.max_concurrent_streams': 1_000,
  // Finds connections whose other end is gone, also between calls.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
}

/** The RPCs of a generated server interface, as functions from request to response. */
export type Rpcs<GeneratedServer> = {
  [Name in keyof GeneratedServer as string extends Name
    ? never
    : Name]: GeneratedServer[Name] extends handleUnaryCall<infer Request, infer Response>
    ? (request: Request) => Promise<Response>
    : never
}

type Observers = Readonly<{
  logger: Logger
  metrics: Metrics
  /** Whether calls are to be refused, for there is more to do than can be done. */
  isOverloaded?: () => boolean
}>
type Handler = (request: never) => Promise<unknown>

const statusNames = Object.fromEntries(Object.entries(status).map(([name, value]) => [value, name]))

/** What the caller may know of an error, as with `problemOf` over HTTP. */
const callError = (error: unknown) => {
  const code = codeOf(error)
  const metadata = new Metadata()
  metadata.set(errorCodeKey, code)
  const known = error instanceof AppError && code !== 'internal'
  return {
    code: grpcStatus(code),
    // What is not well-formed cannot be sent, and would end the process.
    details: known ? error.message.toWellFormed() : 'something went wrong on our side',
    metadata,
  }
}

type Call = ServerUnaryCall<never, unknown>

const isAppError = (request: unknown): request is AppError => request instanceof AppError

/** Aborted when the caller no longer waits: its deadline has passed, or it went away. */
const signalOf = (call: Call): AbortSignal => {
  const waiting = new AbortController()
  call.once('cancelled', () =>
    waiting.abort(new AppError('unavailable', 'the caller does not wait any more')),
  )
  return waiting.signal
}

/** What the caller of an aborted call has seen: its deadline passed, or it went away itself. */
const abortedStatus = (call: Call): status =>
  Number(call.getDeadline()) <= Date.now() ? status.DEADLINE_EXCEEDED : status.CANCELLED

/** Made once: there are many, when there are any, and each would take its stack. */
const overload = new AppError('unavailable', 'the service has more to do than it can')

/** One RPC: the request id in and out, one measurement, one log line; errors by the table. */
const serve = (method: string, handler: Handler, { logger, metrics, isOverloaded }: Observers) => {
  const calls = ofHarmlessFields(logger)
  const record = (started: number, code: status) => {
    const seconds = (performance.now() - started) / 1000
    const name = statusNames[code] ?? 'UNKNOWN'
    trace.getActiveSpan()?.setAttribute('rpc.response.status_code', name)
    metrics.rpcServerDuration.observe({ rpc_method: method, rpc_response_status_code: name }, seconds)
    calls.info({ rpc: method, status: name, duration_ms: Math.round(seconds * 100_000) / 100 }, 'call')
  }

  const answer = async (call: Call, callback: sendUnaryData<unknown>, requestId: string): Promise<void> => {
    const started = performance.now()
    try {
      if (isOverloaded?.()) throw overload
      if (isAppError(call.request)) throw call.request
      const response = await handler(call.request)
      record(started, status.OK)
      const metadata = new Metadata()
      metadata.set(requestIdHeader, requestId)
      // Not earlier: a caller who has received it does not ask another server when this one fails.
      call.sendMetadata(metadata)
      callback(null, response)
    } catch (error) {
      const failure = callError(error)
      failure.metadata.set(requestIdHeader, requestId)
      recordError(trace.getActiveSpan(), codeOf(error))
      const ours = failure.code === status.INTERNAL || failure.code === status.UNAVAILABLE
      if (ours && !call.cancelled && error !== overload)
        logger.error({ rpc: method, err: error }, 'call failed')
      record(started, call.cancelled ? abortedStatus(call) : failure.code)
      callback(failure)
    }
  }

  return (call: Call, callback: sendUnaryData<unknown>): Promise<void> => {
    const requestId = requestIdFrom(call.metadata.get(requestIdHeader)[0])
    const joinedIds = joinedIdsFrom(call.metadata.get(joinedIdsHeader)[0])
    const context = { requestId, signal: signalOf(call), ...(joinedIds && { joinedIds }) }
    return inSpanOfCall({ method, metadata: call.metadata, requestId }, () =>
      requestContext.run(context, () => answer(call, callback, requestId)),
    )
  }
}

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else {
        const code = /EADDRINUSE/.exec(error.message)?.[0]
        reject(Object.assign(new Error(`cannot listen on port ${port}`, { cause: error }), { port, code }))
      }
    })
  })

/** A gRPC server with one service, and extensions such as health. `close` lets running calls finish, for eight seconds at most. */
export const createGrpcServer = (
  definition: ServiceDefinition,
  rpcs: Readonly<Record<string, Handler>>,
  observers: Observers,
  extensions: readonly GrpcExtension[] = [],
) => {
  const server = new Server(serverOptions)
  const running = new Set<Promise<void>>()
  const handlers = Object.entries(rpcs).map(([name, handler]) => {
    const serveCall = serve(definition[name]?.path.slice(1) ?? name, handler, observers)
    const tracked = (call: Call, callback: sendUnaryData<unknown>): void => {
      const answer = serveCall(call, callback).finally(() => running.delete(answer))
      running.add(answer)
    }
    return [name, tracked]
  })
  server.addService(decodedStrictly(definition), Object.fromEntries(handlers))
  for (const extension of extensions) extension.addToServer(server)

  return {
    /** Resolves with the port, which is a free one when 0 is asked for. */
    listen: (port: number): Promise<number> => listen(server, port),
    close: async (): Promise<void> => {
      const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      // Streams, such as health's Watch, do not end by themselves: once the calls are answered they are cut.
      const answered = Promise.all(running).then(flush)
      await Promise.race([drained, answered, delay(drainLimitMs, undefined, { ref: false })])
      server.forceShutdown()
    },
  }
}
