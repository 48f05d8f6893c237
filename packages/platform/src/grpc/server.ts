import { setTimeout as delay } from 'node:timers/promises'
import { type handleUnaryCall, Server, type ServiceDefinition, type sendUnaryData } from '@grpc/grpc-js'
import type { Context } from '@shop/kernel/context.ts'
import type { Identify } from '../auth/identity.ts'
import { createLimits, defaultLimits, type Limits } from '../limits/limits.ts'
import type { RequestRates } from '../limits/rates/request-rates.ts'
import { createFailureLog, type FailureLog } from '../logging/failure-log.ts'
import type { Tls } from '../tls/open-tls.ts'
import { maxRequestBytes } from '../transports.ts'
import { type Call, type Handler, type Observers, serveCalls } from './call.ts'
import { boundCalls } from './calls/bound-calls.ts'
import type { CallTimes } from './calls/call-server.ts'
import { encodeOnce, withEncodedResponses } from './calls/shared-encoding.ts'
import { type ConnectionTimes, connectionOptions } from './edge/connection-age.ts'
import { listenFor } from './edge/listener.ts'
import { checkReceivedHeaders } from './edge/received-headers.ts'
import type { AddService, GrpcExtension } from './health-and-reflection.ts'
import { withStrictDecoding } from './strict-utf8.ts'

/** Ten 10 ms ticks to flush the last responses; counted in ticks, so that a stall does not use them up. */
const waitForFlush = async () => {
  for (let tick = 0; tick < 10; tick++) await delay(10)
}

const serverOptions = {
  'grpc.max_receive_message_length': maxRequestBytes,
  // Per connection; further calls wait in the client.
  'grpc.max_concurrent_streams': 100,
}

/**
 * The RPCs of a generated server interface, as async functions of a request and a context. With `Buffer` as `Encoded`,
 * responses may be encoded already.
 */
export type Rpcs<GeneratedServer, Encoded = never> = {
  [Name in keyof GeneratedServer as string extends Name
    ? never
    : Name]: GeneratedServer[Name] extends handleUnaryCall<infer Request, infer Response>
    ? (request: Request, context: Context) => Promise<Response | Encoded>
    : never
}

export type GrpcServerOptions = Observers &
  Readonly<{
    /** The networks whose peers may choose the ids of requests and traces, as in `networkMatcher`. */
    trustProxy?: string
    /** What the clients of the process share; those of its own if they are not given. */
    limits?: Limits | undefined
    /** Finds the caller of a call. Without it, all callers may do everything. */
    identify?: Identify | undefined
    /** Ends TLS. Without it, the server speaks HTTP/2 without encryption. */
    tls?: Tls | undefined
    /** How much each caller may use. Without it, no caller is limited. */
    rates?: RequestRates | undefined
    /** The names of the handlers of RPCs that write. All others read. */
    writes?: readonly string[]
    connectionTimes?: ConnectionTimes
    callTimes?: Partial<CallTimes>
  }>

/** Returns the handlers of a service, and a function that waits for the calls in progress. */
const trackedHandlers = (
  definition: ServiceDefinition,
  rpcs: Readonly<Record<string, Handler>>,
  observers: Observers & Readonly<{ failures: FailureLog }>,
) => {
  const running = new Set<Promise<void>>()
  const handlers = Object.entries(rpcs).map(([name, handler]) => {
    const method = definition[name]
    if (method === undefined) throw new Error(`the service has no method ${name}`)
    const encode = (response: unknown) => encodeOnce(method.responseSerialize, response)
    const serveCall = serveCalls(handler, encode, observers)
    const serveAndTrack = (call: Call, callback: sendUnaryData<unknown>): void => {
      const response = serveCall(call, callback).finally(() => running.delete(response))
      running.add(response)
    }
    return [name, serveAndTrack]
  })
  return { handlers: Object.fromEntries(handlers), settled: () => Promise.all(running) }
}

/**
 * Creates a gRPC server with one service, and extensions such as health. `close` gives running calls up to
 * eight seconds to finish.
 */
export const createGrpcServer = (
  definition: ServiceDefinition,
  rpcs: Readonly<Record<string, Handler>>,
  options: GrpcServerOptions,
  extensions: readonly GrpcExtension[] = [],
) => {
  const { trustProxy = 'off', limits: shared, connectionTimes, callTimes, ...rest } = options
  const { identify, rates, writes, tls, ...observers } = rest
  const limits = shared ?? createLimits(defaultLimits, trustProxy, observers.metrics)
  const failures = createFailureLog(observers.logger, 'call failed')
  const calls = { failures, limits, trustProxy, times: callTimes, identify, rates, definition, writes }
  const { interceptor, watch } = boundCalls({ ...observers, ...calls })
  checkReceivedHeaders()
  const server = new Server({
    ...serverOptions,
    ...connectionOptions(connectionTimes),
    interceptors: [interceptor],
  })
  const addService: AddService = (service, handlers) =>
    server.addService(withEncodedResponses(service), handlers)
  const { handlers, settled } = trackedHandlers(definition, rpcs, { ...observers, failures })
  addService(withStrictDecoding(definition), handlers)
  for (const extension of extensions) extension.addToServer({ addService })
  const closing = new AbortController()
  void watch(closing.signal)
  const { listen, stopListening, close } = listenFor(server, limits, observers.logger, connectionTimes, tls)

  return {
    listen,
    stopListening,
    close: async (): Promise<void> => {
      // Watch streams of the health service never end by themselves, so their connections stay open. They are closed
      // once the calls of this service are done.
      await close(settled().then(waitForFlush))
      closing.abort()
      failures.close()
    },
  }
}
