import { OperatorError } from '../config/operator-error.ts'
import { openStorage } from './open-storage.ts'
import { isBusy, openSqlite } from './sqlite.ts'

/**
 * Locks `folder`, or a file, for this process until disposal. SQLite takes an operating system lock on a file next to
 * it, so the lock is released however the process ends. Throws if another process holds it.
 */
export const lockFolder = (folder: string): Disposable => {
  const path = `${folder}.lock`
  const lock = openStorage(path, () => openSqlite(path, 0))
  try {
    openStorage(path, () => lock.exec('begin exclusive'))
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw cause
    const message = `${folder} is in use by another process; stop that process, or set DATA_DIR to another folder.`
    throw new OperatorError(message, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
