import { isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js'
import type { Context } from '@shop/kernel/context.ts'
import type { Limits } from '../limits/limits.ts'
import { createFailureLog, type FailureLog } from '../logging/failure-log.ts'
import { drainLimitMs, maxRequestBytes } from '../transports.ts'
import { type Call, type Handler, type Observers, serveCalls } from './call.ts'
import { boundCalls } from './calls/bound-calls.ts'
import type { CallTimes } from './calls/call-server.ts'
import { encodeOnce, withEncodedResponses } from './calls/shared-encoding.ts'
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
  // Detects dead connections, also between calls.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
}

/** The RPCs of a generated server interface, as async functions of a request and a context. */
export type Rpcs<GeneratedServer> = {
  [Name in keyof GeneratedServer as string extends Name
    ? never
    : Name]: GeneratedServer[Name] extends handleUnaryCall<infer Request, infer Response>
    ? (request: Request, context: Context) => Promise<Response>
    : never
}

const addressOf = (host: string, port: number): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`

export type GrpcServerOptions = Observers &
  Readonly<{
    limits: Limits
    callTimes?: Partial<CallTimes>
    /** The networks whose peers may choose the ids of requests and traces, as in `networkMatcher`. */
    trustProxy?: string
  }>

type Bound = Readonly<{ host: string; port: number }>

const bind = (server: Server, host: string, port: number): Promise<Bound> =>
  new Promise((resolve, reject) => {
    server.bindAsync(addressOf(host, port), ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve({ host, port: boundPort })
      else {
        // The library passes on only the text of the error.
        const code = /\bE[A-Z]{4,}\b/.exec(error.message)?.[0]
        reject(Object.assign(new Error(`cannot listen on port ${port}`, { cause: error }), { port, code }))
      }
    })
  })

const createListener = (server: Server) => {
  const bound: Bound[] = []
  return {
    /**
     * Listens on an IP address, in addition to those of earlier calls. Resolves with the port. With port 0, the system
     * chooses a free one for the first address.
     */
    listen: async (port: number, address = '::'): Promise<number> => {
      const opened = await bind(server, address, port || (bound[0]?.port ?? port))
      bound.push(opened)
      return opened.port
    },
    /** Accepts no more connections, and tells clients to send further calls elsewhere (GOAWAY). Running calls go on. */
    stopListening: (): void => {
      for (const { host, port } of bound) server.unbind(addressOf(host, port))
    },
  }
}

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
  { trustProxy = 'off', limits, callTimes, ...observers }: GrpcServerOptions,
  extensions: readonly GrpcExtension[] = [],
) => {
  const failures = createFailureLog(observers.logger, 'call failed')
  const { interceptor, watch } = boundCalls({
    ...observers,
    failures,
    limits,
    trustProxy,
    times: callTimes,
  })
  const server = new Server({ ...serverOptions, interceptors: [interceptor] })
  const addService: AddService = (service, handlers) =>
    server.addService(withEncodedResponses(service), handlers)
  const { handlers, settled } = trackedHandlers(definition, rpcs, { ...observers, failures })
  addService(withStrictDecoding(definition), handlers)
  for (const extension of extensions) extension.addToServer({ addService })
  const closing = new AbortController()
  void watch(closing.signal)

  return {
    ...createListener(server),
    close: async (): Promise<void> => {
      const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      // Watch streams of the health service never end by themselves, so `tryShutdown` would wait for them. They are
      // closed once the calls of this service are done.
      const responded = settled().then(waitForFlush)
      await Promise.race([drained, responded, delay(drainLimitMs, undefined, { ref: false })])
      closing.abort()
      server.forceShutdown()
      failures.close()
    },
  }
}
