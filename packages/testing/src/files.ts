import { globSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** Returns the sorted paths of the project's files below a folder whose names have the given ending. */
export const filesOf = (folder: string, ending: string): string[] =>
  globSync(`${folder}/**/*${ending}`, { cwd: root, exclude: ['**/node_modules'] })
    .map((path) => join(root, path))
    .toSorted()
