import { dirname } from 'node:path'
// Only this module uses the class name, because newer versions of Node.js call the class Database.
import { DatabaseSync } from 'node:sqlite'

import { createFolder } from '../create-folder.ts'
import { makePrivate } from '../private-files.ts'

export type Sqlite = DatabaseSync

const busyTimeoutMs = 5_000

/** Opens the database file, creating it and its folders if missing. Other processes may have it open too. */
export const openSqlite = (path: string, timeout: number = busyTimeoutMs): Sqlite => {
  createFolder(dirname(path))
  makePrivate(path, `${path}-wal`, `${path}-shm`)
  return new DatabaseSync(path, { timeout })
}

/** Makes the connection fail at once while another one holds the lock, instead of blocking the process. */
export const stopWaiting = (sqlite: Sqlite): void => sqlite.exec('pragma busy_timeout = 0')

/** The primary result code of SQLite; undefined for an error of another origin. */
const resultCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined

/**
 * Whether the error is SQLITE_BUSY or one of its extended codes: another connection held the lock for longer
 * than the timeout.
 */
export const isBusy = (error: unknown): boolean => resultCode(error) === 5

/** SQLITE_NOMEM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN. */
const unusableCodes: ReadonlySet<number | undefined> = new Set([7, 8, 10, 13, 14])

/** Whether the file cannot be used at the moment: the disk is full or fails, or memory or rights are missing. */
export const isUnusable = (error: unknown): boolean => unusableCodes.has(resultCode(error))

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const damagedCodes: ReadonlySet<number | undefined> = new Set([11, 26])

/** Whether the file is damaged, or is no SQLite database. */
export const isDamaged = (error: unknown): boolean => damagedCodes.has(resultCode(error))

/** Whether a table is missing. SQLite has no code for it: the code is SQLITE_ERROR. */
export const isMissingTable = (error: unknown): boolean =>
  resultCode(error) === 1 && error instanceof Error && error.message.startsWith('no such table')

/**
 * Runs `work` in a write transaction, and rolls back if it throws. SQLite rolls back by itself after some
 * errors, such as a full disk, and a further `rollback` would then throw in place of the cause.
 */
export const inTransaction = <Result>(sqlite: Sqlite, work: () => Result): Result => {
  sqlite.exec('begin immediate')
  try {
    const result = work()
    sqlite.exec('commit')
    return result
  } catch (error) {
    rollBack(sqlite)
    throw error
  }
}

const rollBack = (sqlite: Sqlite): void => {
  try {
    if (sqlite.isTransaction) sqlite.exec('rollback')
  } catch {
    // The caller throws the error that led here, which is the cause of this one.
  }
}
