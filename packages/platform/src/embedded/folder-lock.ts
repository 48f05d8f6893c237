import { OperatorError } from '../config/operator-error.ts'
import { isBusy, openSqlite } from './sqlite.ts'

/**
 * Locks `folder` for this process until disposal. SQLite takes an operating system lock on a file next to the
 * folder, so the lock is released however the process ends. Throws if another process holds it.
 */
export const lockFolder = (folder: string): Disposable => {
  const lock = openSqlite(`${folder}.lock`, 0)
  try {
    lock.exec('begin exclusive')
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    const message = `${folder} is in use by another process; stop that process, or set DATA_DIR to another folder.`
    throw new OperatorError(message, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
