import { AppError } from '@shop/kernel/errors.ts'
import { inTransaction, isBusy, openSqlite, type Sqlite } from '@shop/platform/embedded/sqlite.ts'
import type { Dependency } from '@shop/platform/health/health.ts'

/**
 * Writes the first page of the file with the content that it has: 4 KB and one flush. A transaction that changes
 * nothing would not reach the disk, so it would succeed on a full one.
 */
const rewriteFirstPage = (sqlite: Sqlite): void =>
  inTransaction(sqlite, () => {
    const version = Number(sqlite.prepare('pragma user_version').get()?.['user_version'])
    sqlite.exec(`pragma user_version = ${version}`)
  })

/**
 * The health checks of the file. If it can be read but not written, the service is degraded
 * (docs/decisions/0021-read-only-stores.md). Writes are attempted on a connection that does not wait for the lock,
 * because that would block the process. While another process writes, the check passes.
 */
export const sqliteDependencies = (
  file: string,
  sqlite: Sqlite,
): Disposable & Readonly<{ dependencies: readonly Dependency[] }> => {
  const writer = openSqlite(file, 0)
  const probeWrites = async () => {
    try {
      rewriteFirstPage(writer)
    } catch (error) {
      if (isBusy(error)) return
      const reason = error instanceof Error ? error.message : String(error)
      throw new AppError('unavailable', `SQLite refuses writes: ${reason}`, { cause: error })
    }
  }
  return {
    dependencies: [
      { name: 'sqlite', required: true, probe: async () => sqlite.exec('select 1') },
      { name: 'sqlite-writes', required: false, probe: probeWrites },
    ],
    [Symbol.dispose]: () => writer.close(),
  }
}
