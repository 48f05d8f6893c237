import { globSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** Returns the sorted paths of all files below `folder`, a folder of the project, that end with `ending`. */
export const filesOf = (folder: string, ending: string): string[] =>
  globSync(`${folder}/**/*${ending}`, { cwd: root, exclude: ['**/node_modules'] })
    .map((path) => join(root, path))
    .toSorted()
