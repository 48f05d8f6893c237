import type { Socket } from 'node:net'
import { type ChannelCredentials, type ChannelOptions, type Client, status } from '@grpc/grpc-js'
import { AppError } from '@shop/kernel/errors.ts'
import { channelTo } from './channel.ts'

/** How long calls may time out, without any other outcome, before the client is replaced. */
const maxSilenceMs = 2_000

const isTimeout = (error: unknown): boolean =>
  error instanceof AppError &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === status.DEADLINE_EXCEEDED

/** The only way to get at a channel's sockets. Not in the documentation of grpc-js, but in its types. */
const createSecureConnector = '_createSecureConnector'

/**
 * Returns a function that destroys all connections made with the credentials, now and later. A closed client
 * of grpc-js keeps a connection on which the server has not sent anything yet.
 */
const trackConnections = (credentials: ChannelCredentials) => {
  const sockets = new Set<Socket>()
  let isDestroyed = false
  const createConnector = credentials[createSecureConnector].bind(credentials)
  credentials[createSecureConnector] = (...input) => {
    const connector = createConnector(...input)
    const connect = connector.connect.bind(connector)
    connector.connect = (socket) => {
      sockets.add(socket.once('close', () => sockets.delete(socket)))
      if (isDestroyed) socket.destroy()
      return connect(socket)
    }
    return connector
  }
  return () => {
    isDestroyed = true
    for (const socket of sockets) socket.destroy()
  }
}

type Open<SomeClient> = (
  target: string,
  credentials: ChannelCredentials,
  options: ChannelOptions,
) => SomeClient

/**
 * Opens a client with the arguments that `channelTo` returns, and replaces it after two seconds in which all
 * calls have timed out. grpc-js does not limit how long it connects, and TCP waits longer and longer before it
 * sends again: after a network failure of 14 s, calls failed for another 15 s.
 */
export const renewedClient = <SomeClient extends Client>(
  address: string,
  reads: readonly string[],
  open: Open<SomeClient>,
) => {
  const openTracked = () => {
    const [target, credentials, options] = channelTo(address, reads)
    const destroyConnections = trackConnections(credentials)
    return { client: open(target, credentials, options), destroyConnections }
  }
  let current = openTracked()
  let silentSince: number | undefined

  const recordTimeout = () => {
    const now = performance.now()
    silentSince ??= now
    if (now - silentSince < maxSilenceMs) return
    silentSince = undefined
    current.client.close()
    current.destroyConnections()
    current = openTracked()
  }
  return {
    /** Passes the current client to `use`, which calls it with `callUnary` or `checkServing`. */
    call: async <Result>(use: (client: SomeClient) => Promise<Result>): Promise<Result> => {
      try {
        const result = await use(current.client)
        silentSince = undefined
        return result
      } catch (error) {
        if (isTimeout(error)) recordTimeout()
        else silentSince = undefined
        throw error
      }
    },
    [Symbol.dispose]: () => current.client.close(),
  }
}
