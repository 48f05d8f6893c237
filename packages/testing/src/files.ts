import { globSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** The paths of the project's own files below a folder, by their ending. */
export const filesOf = (folder: string, ending: string): string[] =>
  globSync(`${folder}/**/*${ending}`, { cwd: root, exclude: ['**/node_modules'] })
    .map((path) => join(root, path))
    .toSorted()
