import { createHash } from 'node:crypto'
import type { QueryArrayResult } from 'pg'
import { withCancellation } from './cancellation.ts'
import { type ClientSettings, ClientWithErrorHandler } from './client.ts'
import { isOutdatedStatement } from './errors.ts'

/**
 * A service has a few dozen distinct statements. The limit protects against statements with values in their
 * text, each of which would count as new.
 */
const maxStatements = 500

/** A statement's name on the server, and the column names of its latest result. */
type Statement = { readonly name: string; readonly text: string; columns: readonly string[] }

const cancelLimitMs = 1_000

const statements = new Map<string, Statement>()

/**
 * Incremented when a server rejects an outdated statement. A connection of an older generation drops its
 * statements before it uses one again.
 */
let generation = 0

const statementOf = (text: string): Statement | undefined => {
  const known = statements.get(text)
  if (known !== undefined || statements.size >= maxStatements) return known
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
  const statement = { name, text, columns: [] }
  statements.set(text, statement)
  return statement
}

const rowOf = (columns: readonly string[], values: readonly unknown[]): Record<string, unknown> => {
  const row: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) row[column] = values[index]
  return row
}

/** The columns of this result. They may differ from those of the latest one if a table has been altered. */
const columnsOf = ({ fields }: QueryArrayResult, statement: Statement): readonly string[] => {
  const { columns } = statement
  if (fields.length !== columns.length || fields.some(({ name }, index) => name !== columns[index]))
    statement.columns = fields.map(({ name }) => name)
  return statement.columns
}

/**
 * pg creates one hidden class per result. Rows built here share one hidden class per statement, so property
 * reads stay monomorphic.
 */
const withRows = (result: QueryArrayResult, statement: Statement) => {
  const columns = columnsOf(result, statement)
  return { ...result, rows: result.rows.map((values) => rowOf(columns, values)) }
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

  constructor(config?: ClientSettings) {
    super(config)
    this.#config = config
  }

  override query(...input: [unknown, ...unknown[]]): never {
    const [text, values] = input
    const statement =
      typeof text === 'string' && Array.isArray(values) && values.length > 0 ? statementOf(text) : undefined
    // pg overloads `query` for several kinds of input. Only text with parameters is handled here.
    if (statement === undefined) return super.query.apply(this, input as never) as never
    const send = () => this.#send(statement, values as unknown[])
    const result = withCancellation(send, () => this.#cancel())
    return result.then((arrayResult) => withRows(arrayResult, statement)) as never
  }

  /**
   * An outdated statement is run again once: the server has not executed it. In a transaction it is not,
   * because the server has aborted the transaction, and then rejects `deallocate` as well.
   */
  async #send(statement: Statement, values: unknown[]): Promise<QueryArrayResult> {
    if (this.#generation !== generation) await this.#dropStatements()
    try {
      return await this.#execute(statement, values)
    } catch (error) {
      if (!isOutdatedStatement(error)) throw error
      if (this.#generation === generation) generation += 1
      await this.#dropStatements().catch(() => {
        throw error
      })
      return this.#execute(statement, values)
    }
  }

  #execute({ name, text }: Statement, values: unknown[]): Promise<QueryArrayResult> {
    return super.query({ name, text, values, rowMode: 'array' })
  }

  /** Drops the statements of this connection, on the server and in the driver. */
  async #dropStatements(): Promise<void> {
    const upTo = generation
    await super.query('deallocate all')
    // Not in the driver's types: its list of the statements that the server has.
    Object.assign(Reflect.get(this, 'connection'), { parsedStatements: {} })
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
