import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A migration. If it is `concurrent`, its statements cannot run in a transaction. */
export type MigrationFile = Readonly<{ name: string; statements: readonly string[]; concurrent: boolean }>

const keyword = /\bconcurrently\b/gi

/** A semicolon at a line's end ends a statement. */
const statementsOf = (text: string): string[] =>
  text
    .replace(/^--.*$/gm, '')
    .split(/;\s*$/m)
    .filter((statement) => statement.trim() !== '')

/** Reads the SQL files in the folder, sorted by name. */
export const readMigrations = async (folder: string): Promise<readonly MigrationFile[]> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  return Promise.all(
    names.map(async (file) => {
      const statements = statementsOf(await readFile(join(folder, file), 'utf8'))
      const concurrent = statements.some((statement) => statement.search(keyword) >= 0)
      return { name: file.slice(0, -'.sql'.length), statements, concurrent }
    }),
  )
}

/** The same migration for a new database: its tables are empty, so nothing has to run concurrently. */
export const inTransaction = ({ name, statements }: MigrationFile): MigrationFile => ({
  name,
  statements: statements.map((statement) => statement.replace(keyword, '')),
  concurrent: false,
})

/** The migrations in order, in batches that share a transaction. A concurrent one is a batch of its own. */
export const batchesOf = (files: readonly MigrationFile[]): readonly (readonly MigrationFile[])[] => {
  const batches: MigrationFile[][] = []
  for (const file of files) {
    const last = batches.at(-1)
    if (last === undefined || file.concurrent || last.some(({ concurrent }) => concurrent))
      batches.push([file])
    else last.push(file)
  }
  return batches
}
