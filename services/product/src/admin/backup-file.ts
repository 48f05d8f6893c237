import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { createFolder } from '@shop/platform/create-folder.ts'
import { createPrivateFiles, makePrivate } from '@shop/platform/private-files.ts'

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
