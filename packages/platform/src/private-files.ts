import { chmodSync, statSync } from 'node:fs'

/** The modes of what nobody but the user of the process may read. */
export const privateFile = 0o600
export const privateFolder = 0o700

/**
 * From now on, all files that this process, its libraries and its children create are for its user alone: logs, backups and
 * embedded databases hold data of the shop.
 */
export const createPrivateFiles = (): void => void process.umask(0o077)

/**
 * Takes the rights of group and others from files and folders that an earlier release has created. A path that is missing, or
 * belongs to another user, stays as it is.
 */
export const makePrivate = (...paths: readonly string[]): void => {
  for (const path of paths)
    try {
      const { mode } = statSync(path)
      if ((mode & 0o077) !== 0) chmodSync(path, mode & 0o700)
    } catch {
      // Whoever cannot open the path for that reason reports it.
    }
}
