import { once } from 'node:events'
import { type AddressInfo, createServer, type Server as Listener, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import type { Limits } from '../../limits/limits.ts'
import { connectionRefusals } from '../../limits/refused-connections.ts'
import type { Logger } from '../../logging/logger.ts'
import type { Tls } from '../../tls/open-tls.ts'
import { terminateTls } from '../../tls/terminator.ts'
import { drainLimitMs } from '../../transports.ts'
import { type ConnectionTimes, defaultTimes } from './connection-age.ts'
import { limitTime } from './connection-time.ts'

/** Longer than a process drains and closes: until then, running calls go on. */
const drainGraceMs = 10 * 60_000

/** Accepts connections and gives them to `serve`. The server may listen on several addresses. */
const createListeners = (serve: (socket: Socket) => void, acceptFailed: (error: Error) => void) => {
  const listeners: Listener[] = []
  const closed: Promise<unknown>[] = []
  return {
    /**
     * Listens on an IP address, in addition to those of earlier calls. Resolves with the port. With port 0, the system
     * chooses a free one for the first address.
     */
    listen: async (port: number, address = '::'): Promise<number> => {
      const first = listeners[0]?.address() as AddressInfo | undefined
      const listener = createServer({ noDelay: true }, serve)
      listener.listen({ port: port || (first?.port ?? port), host: address })
      await once(listener, 'listening')
      listener.on('error', acceptFailed)
      listeners.push(listener)
      closed.push(new Promise((resolve) => listener.once('close', resolve)))
      return (listener.address() as AddressInfo).port
    },
    stop: (): void => {
      for (const listener of listeners) listener.close()
    },
    /** Resolves when, after `stop`, the last connection has closed. */
    whenClosed: async (): Promise<void> => void (await Promise.all(closed)),
  }
}

type Injector = ReturnType<Server['createConnectionInjector']>

/** Serves connections that were accepted, after their handshake if the server ends TLS. */
const serveBy = (injector: Injector, checkMs: number, { findClient }: Limits, tls: Tls | undefined) => {
  const times = limitTime(checkMs)
  const inject = (socket: Socket): void => {
    times.add(socket)
    injector.injectConnection(socket)
  }
  const terminator = tls && terminateTls(tls, 'grpc', 'h2', findClient, inject)
  return {
    serve: terminator?.accept ?? inject,
    /** Cuts off the handshakes in progress: their connections would not be told to go elsewhere (GOAWAY). */
    endHandshakes: (): void => terminator?.close(),
    /** Cuts off all connections, after what has been written to them. */
    cutOff: (): void => times.destroy(),
  }
}

/**
 * Listens for a gRPC server. The library has no public way to count, refuse or cut off the connections that it accepts by
 * itself (docs/decisions/0048-our-own-listener-for-grpc.md). Connections over a limit are closed at once.
 */
export const listenFor = (
  server: Server,
  limits: Limits,
  logger: Logger,
  { checkMs }: ConnectionTimes = defaultTimes,
  tls?: Tls,
) => {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const { serve, endHandshakes, cutOff } = serveBy(injector, checkMs, limits, tls)
  const connections = limits.connections.of('grpc')
  const { refuse, acceptFailed, close: closeLog } = connectionRefusals(logger, limits)
  const accept = (socket: Socket): void => {
    const exceeded = connections.add(socket)
    if (exceeded === undefined) return serve(socket)
    refuse(exceeded)
    socket.destroy()
  }
  const { listen, stop, whenClosed } = createListeners(accept, acceptFailed)
  /** Accepts no more connections, and tells clients to send further calls elsewhere (GOAWAY). Running calls go on. */
  const stopListening = (): void => {
    stop()
    injector.drain(drainGraceMs)
  }
  return {
    listen,
    stopListening,
    /** Stops listening, and cuts off what is open after `finished`, but at the latest after eight seconds. */
    close: async (finished: Promise<unknown>): Promise<void> => {
      stopListening()
      endHandshakes()
      await Promise.race([whenClosed(), finished, delay(drainLimitMs, undefined, { ref: false })])
      server.forceShutdown()
      cutOff()
      closeLog()
    },
  }
}
