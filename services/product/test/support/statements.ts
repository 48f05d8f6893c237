import type { KyselyPlugin } from 'kysely'
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
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      statements.push(compiler.compileQuery(node, queryId).sql)
      return node
    },
    transformResult: async ({ result }) => result,
  }
  const [database, sender] = [source.withPlugin(plugin), source.withPlugin(plugin)]
  // Statements that are sent as text do not pass a plugin.
  database.executeQuery = async (query) => {
    if ('sql' in query) {
      statements.push(query.sql)
      await before(query.sql)
    }
    return sender.executeQuery(query)
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
