import type { Database } from '../../src/infrastructure/products-table.ts'

/**
 * Returns the same database, and the texts of the statements that are sent through it, in their order. A statement that is
 * sent as text is sent after `before` has resolved.
 */
export const recordStatements = (
  source: Database,
  before: (text: string) => Promise<unknown> = () => Promise.resolve(),
) => {
  const statements: string[] = []
  const compiler = source.getExecutor()
  const database = source.withPlugin({
    transformQuery: ({ node, queryId }) => {
      statements.push(compiler.compileQuery(node, queryId).sql)
      return node
    },
    transformResult: async ({ result }) => result,
  })
  // Statements that are sent as text do not pass a plugin.
  const executeQuery = database.executeQuery.bind(database)
  database.executeQuery = async (query) => {
    if ('sql' in query) {
      statements.push(query.sql)
      await before(query.sql)
    }
    return (await executeQuery(query)) as never
  }
  return {
    database,
    /** The statements so far that match, without line breaks at their ends. */
    matching: (pattern: RegExp): string[] =>
      statements.map((text) => text.trim()).filter((text) => pattern.test(text)),
    clear: () => {
      statements.length = 0
    },
  }
}
