import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { dataDir as prebuiltDataDir } from '@electric-sql/pglite-prepopulatedfs'
import { lockFolder } from '@shop/platform/embedded/folder-lock.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { Kysely, PGliteDialect } from 'kysely'
import { statementLog } from './statement-log.ts'

/**
 * Opens an embedded PostgreSQL database (PGlite) whose files are in `folder`. Throws if another process has
 * locked the folder.
 */
export const openEmbeddedPostgres = async <Tables>(
  folder: string,
  metrics?: Metrics,
): Promise<{ database: Kysely<Tables> } & AsyncDisposable> => {
  const lock = lockFolder(folder)
  // A new database is unpacked from a prebuilt archive. PGlite takes three seconds longer to create one.
  const isNew = !existsSync(join(folder, 'PG_VERSION'))
  const pglite = await PGlite.create({
    dataDir: folder,
    ...(isNew && { loadDataDir: await prebuiltDataDir() }),
  })
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
