import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
// The only module that names the class: newer versions of Node.js call it Database.
import { DatabaseSync } from 'node:sqlite'

export type Sqlite = DatabaseSync

const busyTimeoutMs = 5_000

/** Opens the database file, creating it and its folders if missing. Other processes may have it open too. */
export const openSqlite = (path: string, timeout: number = busyTimeoutMs): Sqlite => {
  mkdirSync(dirname(path), { recursive: true })
  return new DatabaseSync(path, { timeout })
}

/** SQLITE_BUSY, including its extended codes: another process held the lock for longer than the timeout. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
