import { createHash } from 'node:crypto'
import type { ClientConfig, QueryArrayResult } from 'pg'
import { withCancellation } from './cancellation.ts'
import { ClientWithErrorHandler } from './client.ts'

/**
 * A service has a few dozen distinct statements. The limit protects against statements with values in their
 * text, each of which would count as new.
 */
const maxStatements = 500

/** A statement's name on the server, and its column names, which are known after the first execution. */
type Statement = { readonly name: string; columns?: readonly string[] }

const cancelLimitMs = 1_000

const statements = new Map<string, Statement>()

const statementOf = (text: string): Statement | undefined => {
  const known = statements.get(text)
  if (known !== undefined || statements.size >= maxStatements) return known
  const statement = { name: createHash('sha256').update(text).digest('hex').slice(0, 32) }
  statements.set(text, statement)
  return statement
}

const rowOf = (columns: readonly string[], values: readonly unknown[]): Record<string, unknown> => {
  const row: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) row[column] = values[index]
  return row
}

/**
 * pg creates one hidden class per result. Rows built here share one hidden class per statement, so property
 * reads stay monomorphic.
 */
const withRows = (result: QueryArrayResult, statement: Statement) => {
  const columns = (statement.columns ??= result.fields.map(({ name }) => name))
  return { ...result, rows: result.rows.map((values) => rowOf(columns, values)) }
}

/**
 * A client that prepares every statement that has parameters once per connection, as a named statement. This
 * halves the work of driver and server. Such a statement is cancelled when the request's signal aborts. Does
 * not work behind a pooler that shares sessions among clients.
 */
export class PreparedStatementClient extends ClientWithErrorHandler {
  readonly #config: ClientConfig | undefined

  constructor(config?: ClientConfig) {
    super(config)
    this.#config = config
  }

  override query(...input: [unknown, ...unknown[]]): never {
    const [text, values] = input
    const statement =
      typeof text === 'string' && Array.isArray(values) && values.length > 0 ? statementOf(text) : undefined
    // pg overloads `query` for several kinds of input. Only text with parameters is handled here.
    if (statement === undefined) return super.query.apply(this, input as never) as never
    const { name } = statement
    const send = () =>
      super.query({ name, text: String(text), values: values as unknown[], rowMode: 'array' })
    const result = withCancellation(send, () => this.#cancel())
    return result.then((arrayResult) => withRows(arrayResult, statement)) as never
  }

  /** Cancels the running statement over another connection. Never rejects, even if the cancellation fails. */
  async #cancel(): Promise<void> {
    const control = new ClientWithErrorHandler(this.#config)
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
