import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { privateFolder } from './private-files.ts'

/**
 * Creates the folder and its parents if missing, for this user alone. `mkdirSync` with `recursive` does not return below
 * /proc, where creating a folder fails with ENOENT although its parent exists.
 */
export const createFolder = (path: string): void => {
  if (existsSync(path)) return
  createFolder(dirname(path))
  try {
    mkdirSync(path, { mode: privateFolder })
  } catch (error) {
    // Another process was faster.
    if (!existsSync(path)) throw error
  }
}
