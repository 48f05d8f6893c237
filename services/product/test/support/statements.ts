import type { Database } from '../../src/infrastructure/products-table.ts'

/** Returns the same database, and the texts of the statements that are sent through it, in their order. */
export const recordStatements = (source: Database) => {
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
  const { executeQuery } = database
  database.executeQuery = (query, ...rest: []) => {
    if ('sql' in query) statements.push(query.sql)
    return executeQuery.call(database, query, ...rest) as never
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
