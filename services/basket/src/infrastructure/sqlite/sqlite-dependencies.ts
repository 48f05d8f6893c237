import { statSync } from 'node:fs'
import { basename } from 'node:path'
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

/** A number that identifies the file; undefined if there is none. */
const inodeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino

/** Throws with the reason why SQLite could not do `what`. */
const explain = (what: string, error: unknown): never => {
  const reason = error instanceof Error ? error.message : String(error)
  throw new AppError('unavailable', `SQLite ${what}: ${reason}`, { cause: error })
}

/**
 * The health checks of the file. The required one reads what requests read, and fails if the file has been removed or
 * replaced: SQLite would go on with the open one, and the baskets would be lost with the end of the process. If it can be read but not written, the service is degraded
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
      explain('refuses writes', error)
    }
  }
  const opened = inodeOf(file)
  const probeReads = async () => {
    if (inodeOf(file) !== opened)
      throw new AppError('unavailable', `${basename(file)} has been removed or replaced: restart the service`)
    try {
      sqlite.prepare('select record from baskets limit 1').get()
    } catch (error) {
      if (isBusy(error)) return
      explain('cannot read the baskets', error)
    }
  }
  return {
    dependencies: [
      { name: 'sqlite', required: true, probe: probeReads },
      { name: 'sqlite-writes', required: false, probe: probeWrites },
    ],
    [Symbol.dispose]: () => writer.close(),
  }
}
