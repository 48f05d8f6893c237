import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../../../node_modules/.cache/node-compile-cache')

/**
 * Lets all modules that are imported from now on share compiled code with earlier starts, which saves a third of the CPU
 * time of a start from the sources. NODE_COMPILE_CACHE chooses another folder. The default is not in /tmp, where others
 * could write the code. Where nothing can be written, the service starts without a cache.
 */
export const useCompileCache = (): void => void enableCompileCache(folder)
