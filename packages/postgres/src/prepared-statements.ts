import { createHash } from 'node:crypto'
import { withCancellation } from './cancellation.ts'
import { type ClientSettings, ClientWithErrorHandler, isReadTimeout } from './client.ts'
import { isOutdatedStatement } from './errors.ts'
import { PreparedQuery, type Statement, type StatementResult } from './statements/prepared-query.ts'

/**
 * A service has a few dozen distinct statements. The limit protects against statements with values in their
 * text, each of which would count as new.
 */
const maxStatements = 500

const cancelLimitMs = 1_000

/** The name of each statement on the servers. */
const names = new Map<string, string>()

/**
 * Incremented when a server rejects an outdated statement. A connection of an older generation drops its
 * statements before it uses one again.
 */
let generation = 0

const nameOf = (text: string): string | undefined => {
  const known = names.get(text)
  if (known !== undefined || names.size >= maxStatements) return known
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
  names.set(text, name)
  return name
}

/**
 * A client that prepares every statement that has parameters once per connection, as a named statement. This
 * halves the work of driver and server. Such a statement is cancelled when the request's signal aborts. If the
 * server rejects it as outdated, it is prepared anew. Does not work behind a pooler that shares sessions among
 * clients.
 */
export class PreparedStatementClient extends ClientWithErrorHandler {
  readonly #config: ClientSettings | undefined
  #generation = generation
  #statements = new Map<string, Statement>()

  constructor(config?: ClientSettings) {
    super(config)
    this.#config = config
  }

  override query(...input: [unknown, ...unknown[]]): never {
    const [text, values] = input
    const statement =
      typeof text === 'string' && Array.isArray(values) && values.length > 0
        ? this.#statementOf(text)
        : undefined
    // pg overloads `query` for several kinds of input. Only text with parameters is handled here.
    if (statement === undefined) return super.query.apply(this, input as never) as never
    const send = () => this.#send(statement, values as unknown[])
    return withCancellation(send, () => this.#cancel()) as never
  }

  #statementOf(text: string): Statement | undefined {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    const name = nameOf(text)
    if (name === undefined) return undefined
    const statement = { name, text, shape: undefined }
    this.#statements.set(text, statement)
    return statement
  }

  /**
   * An outdated statement is run again once: the server has not executed it. In a transaction it is not,
   * because the server has aborted the transaction, and then rejects `deallocate` as well.
   */
  async #send(statement: Statement, values: unknown[]): Promise<StatementResult> {
    if (this.#generation !== generation) await this.#dropStatements()
    try {
      return await this.#execute(statement, values)
    } catch (error) {
      // The stack of an error from the server leads to the socket.
      if (error instanceof Error) Error.captureStackTrace(error)
      if (!isOutdatedStatement(error)) throw error
      if (this.#generation === generation) generation += 1
      await this.#dropStatements().catch(() => {
        throw error
      })
      return this.#execute(statement, values)
    }
  }

  #execute(statement: Statement, values: readonly unknown[]): Promise<StatementResult> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, result?: StatementResult) => {
        if (isReadTimeout(error)) void this.end()
        if (result === undefined) reject(error)
        else resolve(result)
      }
      void super.query(new PreparedQuery(statement, values, this, settle))
    })
  }

  /** Drops the statements of this connection, on the server and in the driver. */
  async #dropStatements(): Promise<void> {
    const upTo = generation
    await super.query('deallocate all')
    // Not in the driver's types: its list of the statements that the server has.
    Object.assign(Reflect.get(this, 'connection'), { parsedStatements: {} })
    for (const statement of this.#statements.values()) statement.shape = undefined
    this.#generation = upTo
  }

  /** Cancels the running statement over another connection. Never rejects, even if the cancellation fails. */
  async #cancel(): Promise<void> {
    // The process id is one of this client's server, so no other server may be chosen.
    const control = new ClientWithErrorHandler({ ...this.#config, finder: undefined })
    control.host = this.host
    control.port = this.port
    try {
      await control.connect()
      const values: unknown[] = [Reflect.get(this, 'processID')]
      // `query_timeout` is missing from the driver's types.
      const statement = { text: 'select pg_cancel_backend($1)', values, query_timeout: cancelLimitMs }
      await control.query(statement)
    } catch {
      // The statement timeout still applies.
    } finally {
      void control.end().catch(() => {})
    }
  }
}
