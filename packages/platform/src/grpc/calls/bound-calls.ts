import type {
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
  ServerMethodDefinition,
  ServiceDefinition,
} from '@grpc/grpc-js'
import type { Identify } from '../../auth/identity.ts'
import type { Limits } from '../../limits/limits.ts'
import type { RequestRates } from '../../limits/rates/request-rates.ts'
import type { FailureLog } from '../../logging/failure-log.ts'
import { every } from '../../resilience/every.ts'
import { BoundedCall } from './bounded-call.ts'
import { CallListener } from './call-listener.ts'
import { type CallServer, type CallTimes, defaultTimes } from './call-server.ts'
import { describedStatus } from './described-status.ts'
import { methodFinder } from './methods.ts'
import { createOpenCalls } from './open-calls.ts'
import { peerFinder } from './peers.ts'
import type { Recorders } from './record-calls.ts'
import { encodeOnce } from './shared-encoding.ts'

type Definition = ServerMethodDefinition<unknown, unknown>

/** Encodes the message; undefined if that fails, which the library reports. */
const encoded = ({ responseSerialize }: Definition, message: unknown): Buffer | undefined => {
  try {
    return encodeOnce(responseSerialize, message)
  } catch {
    return undefined
  }
}

/**
 * Passes everything that is sent through the call. The methods of the library's object are replaced: an object around it
 * would miss the errors that the library itself causes.
 */
const intercept = (bounded: BoundedCall, definition: Definition, call: ServerInterceptingCallInterface) => {
  const start = call.start.bind(call)
  const startRead = call.startRead.bind(call)
  const sendMessage = call.sendMessage.bind(call)
  const sendStatus = call.sendStatus.bind(call)
  let isReadWaiting = false
  call.start = (listener) => start(new CallListener(bounded, listener))
  call.sendStatus = (ended) => {
    bounded.onStatus(ended.code)
    sendStatus(describedStatus(ended, bounded))
  }
  call.sendMessage = (message, callback) => {
    const bytes = encoded(definition, message)
    if (bytes === undefined) return sendMessage(message, callback)
    const error = bounded.isServed ? undefined : bounded.hold(bytes.length)
    if (error !== undefined) return bounded.refuse(error)
    bounded.stream.onMessage()
    sendMessage(bytes, () => {
      bounded.stream.onFlush()
      callback()
      if (!isReadWaiting || bounded.stream.isUnread) return
      isReadWaiting = false
      startRead()
    })
  }
  if (!definition.requestStream) return
  // A stream of requests waits until their responses are taken. The library would keep any number of them.
  call.startRead = () => {
    if (bounded.stream.isUnread) isReadWaiting = true
    else startRead()
  }
}

type Options = Recorders &
  Readonly<{
    limits: Limits
    failures: FailureLog
    trustProxy: string
    times?: Partial<CallTimes> | undefined
    identify: Identify | undefined
    rates: RequestRates | undefined
    /** The service whose methods call use cases. */
    definition: ServiceDefinition
    /** The names of its handlers that write. */
    writes: readonly string[] | undefined
  }>

/**
 * Bounds the calls of a server: their number, the size of their metadata, the time that their requests take to arrive, and
 * the memory and time that their responses wait for their clients. Calls of unknown methods do not get here: the library
 * refuses them before, and ends them at once.
 */
export const boundCalls = (options: Options) => {
  const {
    limits,
    failures,
    trustProxy,
    times,
    identify,
    rates,
    definition,
    writes = [],
    ...recorders
  } = options
  const open = createOpenCalls(limits)
  const server: CallServer = {
    limits,
    failures,
    metrics: recorders.metrics,
    open,
    identify,
    rates,
    times: { ...defaultTimes, ...times },
    peerOf: peerFinder(limits.findClient, trustProxy),
  }
  const methodOf = methodFinder(recorders, definition, writes)
  const interceptor: ServerInterceptor = (method, call) => {
    intercept(new BoundedCall(server, methodOf(method), call), method, call)
    return call as ServerInterceptingCall
  }
  return {
    interceptor,
    /** Ends what takes too long, until the signal aborts. */
    watch: (signal: AbortSignal) => every(server.times.checkMs, open.endOverdue, signal),
  }
}
