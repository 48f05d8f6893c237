import { createHash } from 'node:crypto'
import type { ClientConfig, QueryArrayResult } from 'pg'
import { cancellable } from './cancellation.ts'
import { ClientWithErrorHandler } from './client.ts'

/** There are a few dozen statements, whatever the parameters. A bound all the same, should one ever be built from data. */
const maxStatements = 500

/** How the server knows a statement, and the names of its columns once it has been run. */
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

/** The driver gives the rows of each result a shape of their own, and what reads them is slow with so many shapes. */
const withRows = (result: QueryArrayResult, statement: Statement) => {
  const columns = (statement.columns ??= result.fields.map(({ name }) => name))
  return { ...result, rows: result.rows.map((values) => rowOf(columns, values)) }
}

/**
 * A connection on which each statement with parameters is prepared once, under a name, and from then on only run: half
 * of the work for driver and server. Such a statement is stopped when nobody waits for it any more. Not for a pooler that
 * gives a session to many clients.
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
    // The driver has an overload for each shape of input; this one changes the shape and the rows, and passes on the rest.
    if (statement === undefined) return super.query.apply(this, input as never) as never
    const { name } = statement
    const send = () =>
      super.query({ name, text: String(text), values: values as unknown[], rowMode: 'array' })
    const result = cancellable(send, () => this.#cancel())
    return result.then((rows) => withRows(rows, statement)) as never
  }

  /** Stops the statement that runs, over another connection. Never rejects: at worst the statement runs to its end. */
  async #cancel(): Promise<void> {
    const control = new ClientWithErrorHandler(this.#config)
    try {
      await control.connect()
      const values: unknown[] = [Reflect.get(this, 'processID')]
      // The time limit is missing in the types of the driver.
      const statement = { text: 'select pg_cancel_backend($1)', values, query_timeout: cancelLimitMs }
      await control.query(statement)
    } catch {
      // The time limit of statements is there too.
    } finally {
      void control.end().catch(() => {})
    }
  }
}
