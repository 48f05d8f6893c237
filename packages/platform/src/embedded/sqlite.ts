import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
// Only this module uses the class name, because newer versions of Node.js call the class Database.
import { DatabaseSync } from 'node:sqlite'

export type Sqlite = DatabaseSync

const busyTimeoutMs = 5_000

/** Opens the database file, creating it and its folders if missing. Other processes may have it open too. */
export const openSqlite = (path: string, timeout: number = busyTimeoutMs): Sqlite => {
  mkdirSync(dirname(path), { recursive: true })
  return new DatabaseSync(path, { timeout })
}

/**
 * Whether the error is SQLITE_BUSY or one of its extended codes: another connection held the lock for longer
 * than the timeout.
 */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
