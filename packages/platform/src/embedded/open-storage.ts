import { OperatorError } from '../config/operator-error.ts'
import { isDamaged, isUnusable } from './sqlite.ts'

/** What was thrown may be an object with only a number: embedded engines are compiled from C. */
const reasonOf = (cause: unknown): string => {
  if (cause instanceof Error) return cause.message
  return Object(cause) === cause && 'errno' in (cause as object)
    ? `errno ${String((cause as { errno: unknown }).errno)}`
    : String(cause)
}

/** Storage that cannot be created or written: its disk is full, or rights are missing. */
export const unusableStorage = (path: string, cause: unknown): OperatorError =>
  new OperatorError(
    `${path} cannot be used (${reasonOf(cause)}). Free disk space or make the folder writable, or set DATA_DIR to another folder.`,
    { cause },
  )

/** Files that exist but are not a database of this engine. */
export const damagedStorage = (path: string, cause: unknown): OperatorError =>
  new OperatorError(
    `${path} cannot be opened as a database (${reasonOf(cause)}). If its data is not needed, delete it.`,
    { cause },
  )

/** Whether the operating system refused a file operation. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** Opens an SQLite file. If the file or its disk is the cause of an error, throws an `OperatorError` instead. */
export const openStorage = <Result>(path: string, open: () => Result): Result => {
  try {
    return open()
  } catch (error) {
    if (isDamaged(error)) throw damagedStorage(path, error)
    if (isUnusable(error) || isSystemError(error)) throw unusableStorage(path, error)
    throw error
  }
}
