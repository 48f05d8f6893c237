import { callbackify } from 'node:util'
import { Client, type ClientConfig } from 'pg'

/** Chooses the server of each connection. */
export type PrimaryFinder = Readonly<{
  /** Sets the client's host and port, and then calls `open`. */
  connect: (client: ClientWithErrorHandler, open: () => Promise<unknown>) => Promise<void>
  /** Moves the client away from its server, which refuses writes, as soon as there is another one. */
  leave: (client: ClientWithErrorHandler) => void
  /** Resolves if a server that accepts writes responds in time. All connections to other servers are dropped. */
  ping: (limitMs: number) => Promise<void>
}>

/** Without a finder, the client connects to the host of its configuration. */
export type ClientSettings = ClientConfig & Readonly<{ finder?: PrimaryFinder | undefined }>

type ConnectCallback = (error: Error | null) => void

/** Minimum lifetime of a connection before an error drops it; otherwise every such error would reconnect. */
const minConnectionMs = 1_000

/** SQLSTATE of a write that a read-only server refuses. */
const readOnlyTransaction = '25006'

/**
 * SQLSTATEs of a missing table, of a missing schema and of a missing right. A session keeps the settings that it
 * started with, so a new one may have the `search_path` or the role's settings that find the table.
 */
const outdatedSession = new Set(['42P01', '3F000', '42501'])

/**
 * SQLSTATEs with which the server ends a session: a shutdown, a crash, a dropped database, and timeouts of idle sessions. The error
 * arrives before the connection closes, and until then the pool would give it out again.
 */
const endedSession = new Set(['57P01', '57P02', '57P04', '57P05', '25P03'])

/** Settings that a server reports at connect and whenever they change (PostgreSQL 14). */
const readOnlySettings = new Set(['in_hot_standby', 'default_transaction_read_only'])

/** Whether the driver gave up waiting for the result of a statement. */
export const isReadTimeout = (error: unknown) =>
  error instanceof Error && error.message === 'Query read timeout'

class ClosingClient extends Client {
  // pg overloads `query` for several kinds of input. Callbacks are only used to verify new connections.
  override query(...input: [unknown, ...unknown[]]): never {
    const result: unknown = super.query.apply(this, input as never)
    if (result instanceof Promise)
      result.catch((error: unknown) => {
        if (isReadTimeout(error)) void this.end()
      })
    return result as never
  }
}

/**
 * A client that closes itself when the server does not respond to a query in time. Otherwise the pool would give it
 * out again, and after a loss of packets TCP waits longer and longer before it sends again: with a loss of 14 s,
 * requests still failed 10 s after it.
 */
const ClientWithQueryTimeout: typeof Client = ClosingClient

/**
 * A client that ignores `error` events. Without a listener, a lost connection would end the process. It leaves a
 * server that refuses writes: the host name may already belong to the new primary, or another host has become it.
 * It ends after an error that a session with newer settings might not have.
 */
export class ClientWithErrorHandler extends ClientWithQueryTimeout {
  readonly #finder: PrimaryFinder | undefined
  #connectedAt = Number.POSITIVE_INFINITY

  constructor(config?: ClientSettings) {
    super(config)
    this.#finder = config?.finder
    this.on('error', () => {})
    this.#watchForErrors()
    this.#watchForReadOnly()
  }

  override connect(): Promise<Client>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): unknown {
    // The driver's pool passes a callback.
    return callback === undefined ? this.#open() : callbackify(() => this.#open())(callback)
  }

  /** Cuts the connection. A running statement fails, and a pool removes the client. */
  drop(): void {
    this.connection.stream.destroy()
  }

  async #open(): Promise<Client> {
    const open = () => super.connect()
    await (this.#finder === undefined ? open() : this.#finder.connect(this, open))
    this.#connectedAt = performance.now()
    return this
  }

  #isOld(): boolean {
    return performance.now() >= this.#connectedAt + minConnectionMs
  }

  #watchForErrors(): void {
    this.connection.on('errorMessage', ({ code = '' }: Readonly<{ code?: string }>) => {
      const isReadOnly = code === readOnlyTransaction
      const isOutdated = (isReadOnly || outdatedSession.has(code)) && this.#isOld()
      // The statement still fails with this error. A pool removes a client that has ended.
      if (isOutdated && isReadOnly && this.#finder !== undefined) this.#finder.leave(this)
      else if (isOutdated || endedSession.has(code)) void this.end()
    })
  }

  #watchForReadOnly(): void {
    this.connection.on('parameterStatus', (status: Readonly<Record<string, string>>) => {
      const { parameterName = '', parameterValue } = status
      if (readOnlySettings.has(parameterName) && parameterValue === 'on' && this.#isOld())
        this.#finder?.leave(this)
    })
  }
}
