import { closeSync, existsSync, openSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { createFolder } from '@shop/platform/create-folder.ts'
import { createPrivateFiles, makePrivate } from '@shop/platform/private-files.ts'
import { print } from './catalog.ts'
import { checksumOf } from './checksum.ts'

/** The make target that messages name. docker-compose.yml sets its own. */
export const restoreTarget = process.env['RESTORE_TARGET'] || 'db-restore'

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Runs `read`. An error of the file system becomes an error that is printed as one line. */
const reading = async <Result>(file: string, read: (file: string) => Promise<Result>): Promise<Result> => {
  try {
    return await read(file)
  } catch (cause) {
    const reason = isMissing(cause) ? 'does not exist' : `cannot be read: ${String(cause)}`
    throw new OperatorError(`${file} ${reason}.`, { cause })
  }
}

/** Returns the checksum in a `.sha256` file, or undefined if there is no such file. */
const expectedChecksum = async (file: string): Promise<string | undefined> => {
  try {
    return (await readFile(file, 'utf8')).split(' ')[0]
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Returns the dump's path. Throws if it is no readable file with content, or does not match its `.sha256` file. */
export const requireIntact = async (file: string | undefined): Promise<string> => {
  if (file === undefined || file === '')
    throw new OperatorError(`FILE is not set. Usage: make ${restoreTarget} FILE=backups/….dump`)
  const found = await reading(file, async (path) => await stat(path))
  if (!found.isFile()) throw new OperatorError(`${file} is not a file.`)
  if (found.size === 0) throw new OperatorError(`${file} is empty.`)
  const checksum = await reading(file, checksumOf)
  const expected = await reading(`${file}.sha256`, expectedChecksum)
  if (expected === undefined) print(`The dump is not checked for damage, because there is no ${file}.sha256.`)
  else if (expected !== checksum) throw new OperatorError(`${file} is damaged: its checksum does not match.`)
  return file
}

/** Whether the file did not exist yet and was created. */
const createFile = (file: string): boolean => {
  try {
    closeSync(openSync(file, 'wx'))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

const reserve = (folder: string, name: string): string => {
  createFolder(folder)
  makePrivate(folder)
  for (let number = 1; ; number++) {
    const file = join(folder, number === 1 ? `${name}.dump` : `${name}-${number}.dump`)
    if (!existsSync(file) && createFile(`${file}.unfinished`)) return file
  }
}

/**
 * Returns the path of a new dump in the folder, and creates its unfinished file, so that two backups that start in the same
 * second have different names. All files of the process are private from then on: whoever reads a backup reads the whole shop.
 */
export const reserveDump = (folder: string, name: string): string => {
  createPrivateFiles()
  try {
    return reserve(folder, name)
  } catch (cause) {
    throw new OperatorError(`No backup can be written into the folder ${folder}: ${String(cause)}`, { cause })
  }
}
