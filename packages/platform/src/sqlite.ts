import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
// The one module that names it: newer versions of Node call the class Database.
import { DatabaseSync } from 'node:sqlite'
import { OperatorError } from './operator-error.ts'

export type Sqlite = DatabaseSync

const busyTimeoutMs = 5_000

/** Opens or makes the database file, and the folders above it. Other processes may have it open too. */
export const openSqlite = (path: string, timeout: number = busyTimeoutMs): Sqlite => {
  mkdirSync(dirname(path), { recursive: true })
  return new DatabaseSync(path, { timeout })
}

/** SQLITE_BUSY, extended codes included: another process wrote for longer than the timeout. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5

/**
 * Holds `folder` for this process until disposed of. The lock is the operating system's (that of an SQLite file
 * inside), so it ends with the process, however that ends. Throws when another process holds it.
 */
export const lockFolder = (folder: string): Disposable => {
  const lock = openSqlite(`${folder}.lock`, 0)
  try {
    lock.exec('begin exclusive')
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    const message = `${folder} is in use by another process; stop that one, or set DATA_DIR to another folder.`
    throw new OperatorError(message, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
