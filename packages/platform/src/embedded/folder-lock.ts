import { OperatorError } from '../config/operator-error.ts'
import { isBusy, openSqlite } from './sqlite.ts'

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
    const message = `${folder} is in use by another process; stop that process, or set DATA_DIR to another folder.`
    throw new OperatorError(message, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
