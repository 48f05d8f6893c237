import type { Exceeded } from './budget.ts'
import type { Client } from './client.ts'

export type Transport = 'http' | 'grpc'

/** A connection from a client, as `createConnections` counts it. */
export type Connection = {
  readonly transport: Transport
  readonly client: Client
  /** Why the requests of the connection are refused. */
  readonly exceeded: Exceeded | undefined
  /** Requests in progress, over HTTP. */
  running: number
  /** When the last response ended, or the connection was opened. */
  activeAt: number
  /** Stops counting the connection. Does nothing the second time. */
  readonly release: () => void
}
