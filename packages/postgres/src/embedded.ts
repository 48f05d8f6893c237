import { accessSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { dataDir as prebuiltDataDir } from '@electric-sql/pglite-prepopulatedfs'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { createFolder } from '@shop/platform/create-folder.ts'
import { lockFolder } from '@shop/platform/embedded/folder-lock.ts'
import { damagedStorage, unusableStorage } from '@shop/platform/embedded/open-storage.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { makePrivate } from '@shop/platform/private-files.ts'
import { Kysely, PGliteDialect } from 'kysely'
import { statementLog } from './statements/log.ts'

/**
 * Unpacks a new database from a prebuilt archive and opens it. PGlite takes three seconds longer to create one.
 * `mark` exists in the folder meanwhile. Unpacking into another folder and renaming it would open PGlite twice,
 * which takes 1.2 s.
 */
const openNew = async (folder: string, mark: string): Promise<PGlite> => {
  // Only what an earlier attempt has unpacked is removed. Its mark goes last, in case this process is killed too.
  if (existsSync(mark))
    for (const name of readdirSync(folder))
      if (name !== basename(mark)) rmSync(join(folder, name), { recursive: true })
  createFolder(folder)
  writeFileSync(mark, '')
  const pglite = await PGlite.create({ dataDir: folder, loadDataDir: await prebuiltDataDir() })
  rmSync(mark)
  return pglite
}

const openExisting = async (folder: string): Promise<PGlite> => {
  accessSync(folder, constants.W_OK)
  makePrivate(folder)
  return PGlite.create(folder).catch((error: unknown) => {
    throw damagedStorage(folder, error)
  })
}

/**
 * Opens the database in the folder. Unpacks a new one if the folder has no complete database. Rejects with an
 * `OperatorError`.
 */
const openFolder = async (folder: string): Promise<PGlite> => {
  const mark = join(folder, 'UNPACKING')
  const isComplete = existsSync(join(folder, 'PG_VERSION')) && !existsSync(mark)
  try {
    return await (isComplete ? openExisting(folder) : openNew(folder, mark))
  } catch (error) {
    throw error instanceof OperatorError ? error : unusableStorage(folder, error)
  }
}

/**
 * Opens an embedded PostgreSQL database (PGlite) whose files are in `folder`. Throws if another process has
 * locked the folder.
 */
export const openEmbeddedPostgres = async <Tables>(
  folder: string,
  metrics?: Metrics,
): Promise<{ database: Kysely<Tables> } & AsyncDisposable> => {
  const lock = lockFolder(folder)
  const pglite = await openFolder(folder)
  const database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }), ...statementLog(metrics) })
  return {
    database,
    [Symbol.asyncDispose]: async () => {
      await database.destroy()
      if (!pglite.closed) await pglite.close()
      lock[Symbol.dispose]()
    },
  }
}
