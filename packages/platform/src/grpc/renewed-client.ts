import { type ChannelCredentials, type ChannelOptions, type Client, status } from '@grpc/grpc-js'
import { AppError } from '@shop/kernel/errors.ts'
import { channelTo } from './channel.ts'
import { type Connections, TrackedCredentials } from './connecting/tracked-credentials.ts'

/** How long calls may time out, without any other outcome, before the client is replaced. */
const maxSilenceMs = 2_000

const isTimeout = (error: unknown): boolean =>
  error instanceof AppError &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === status.DEADLINE_EXCEEDED

type Open<SomeClient> = (
  target: string,
  credentials: ChannelCredentials,
  options: ChannelOptions,
) => SomeClient

type Channel = Readonly<{
  /** A `grpcAddress`. */
  address: string
  /** The paths of the methods that change nothing. */
  reads: readonly string[]
  connections: Connections
}>

/**
 * Opens a client with the arguments that `channelTo` returns, and replaces it after two seconds in which all
 * calls have timed out. grpc-js does not limit how long it connects, and TCP waits longer and longer before it
 * sends again: after a network failure of 14 s, calls failed for another 15 s.
 */
export const renewedClient = <SomeClient extends Client>(
  { address, reads, connections }: Channel,
  open: Open<SomeClient>,
) => {
  const openTracked = () => {
    const credentials = new TrackedCredentials(connections)
    return { client: open(...channelTo(address, reads, credentials)), credentials }
  }
  let current = openTracked()
  let silentSince: number | undefined

  const recordTimeout = () => {
    const now = performance.now()
    silentSince ??= now
    if (now - silentSince < maxSilenceMs) return
    silentSince = undefined
    current.client.close()
    current.credentials.destroy()
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
