import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
// The one module that names it: newer versions of Node call the class Database.
import { DatabaseSync } from 'node:sqlite'

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
